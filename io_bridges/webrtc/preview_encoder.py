"""`PreviewEncoder`: a thread that encodes the newest picture of a ring in VP8, once for all peers."""

import threading
import time
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import av
from av.packet import Packet
from av.video.codeccontext import VideoCodecContext
from av.video.frame import PictureType, VideoFrame

from io_bridges.frames import Pixels
from io_bridges.lazy_imports import opencv
from io_bridges.pixels import bounded
from io_bridges.shared_memory.received_picture import own_rgb
from io_bridges.shared_memory.ring_reader import RingReader
from io_bridges.shared_memory.segment import attach
from presets.errors import BridgeError

PICTURES_PER_SECOND = 30
"""Most pictures a second, as in the preview by JPEGs."""
LONGEST = 1280
"""Most pixels of a side, as in the preview by JPEGs."""
REPEAT_SECONDS = 1.0
"""Time after which a picture that stays is sent again, so that a lost one is made up for and a stall is noticed."""
LOOK_SECONDS = 0.004
"""Time between two looks for a new picture."""
WHOLE_SECONDS = 3.0
"""Longest time between two pictures that stand alone."""

_BITS_PER_PIXEL = 0.25
_BITRATES = (1_000_000, 5_000_000)
"""Lowest and highest, in bits a second."""
_TIME_BASE = Fraction(1, 1000)


class PreviewEncoder(threading.Thread):
    """Encodes while it is watched. `deliver` gets each packet, on this thread."""

    def __init__(self, memory: str, deliver: "Callable[[Packet[Any]], None]") -> None:
        """`memory` is the name of the ring."""
        super().__init__(name="encoder", daemon=True)
        self._watched = threading.Event()
        self._memory = memory
        self._deliver = deliver
        self._wants_whole = threading.Event()
        self._codec: VideoCodecContext | None = None
        self._began = self._whole_at = time.monotonic()

    def watch(self, is_watched: bool) -> None:
        """Encode, or rest. Any thread may call it."""
        if is_watched:
            self._watched.set()
        else:
            self._watched.clear()

    def want_whole(self) -> None:
        """Make the next picture stand alone. Any thread may call it."""
        self._wants_whole.set()

    def run(self) -> None:
        """Encode until the memory is gone."""
        segment = attach(self._memory)
        if segment is None:
            return
        reader = RingReader(segment, flip=False, copy=own_rgb)
        newest: Pixels | None = None
        # With the full period, jitter would drop every second picture of an output at exactly this rate.
        period = 0.9 / PICTURES_PER_SECOND
        sent_at = 0.0
        while True:
            self._watched.wait()
            try:
                picture = reader.read()
            except BridgeError:
                return
            now = time.monotonic()
            if picture is not None:
                newest = picture.pixels
            elif newest is None or (now - sent_at < REPEAT_SECONDS and not self._wants_whole.is_set()):
                time.sleep(LOOK_SECONDS)
                continue
            sent_at = now
            self._send(newest, now)
            time.sleep(max(0.0, now + period - time.monotonic()))

    def _send(self, pixels: Pixels, now: float) -> None:
        # OpenCV converts five times as fast as PyAV.
        planes = opencv().cvtColor(_even(bounded(pixels, LONGEST)), opencv().COLOR_RGB2YUV_I420)
        picture = VideoFrame.from_ndarray(planes, format="yuv420p")
        if self._codec is None or (self._codec.width, self._codec.height) != (picture.width, picture.height):
            self._codec = _codec(picture.width, picture.height)
        picture.time_base = _TIME_BASE
        picture.pts = round((now - self._began) * 1000)
        if self._wants_whole.is_set() or now - self._whole_at > WHOLE_SECONDS:
            self._wants_whole.clear()
            self._whole_at = now
            picture.pict_type = PictureType.I
        for packet in self._codec.encode(picture):
            self._deliver(packet)


def _even(pixels: Pixels) -> Pixels:
    """Return the picture without the last row and column of an odd number: four pixels share their colour."""
    return pixels[: pixels.shape[0] & ~1, : pixels.shape[1] & ~1]


def _codec(width: int, height: int) -> VideoCodecContext:
    bitrate = min(max(round(width * height * PICTURES_PER_SECOND * _BITS_PER_PIXEL), _BITRATES[0]), _BITRATES[1])
    codec = av.CodecContext.create("libvpx", "w")
    assert isinstance(codec, VideoCodecContext)
    codec.width, codec.height, codec.pix_fmt = width, height, "yuv420p"
    codec.bit_rate = bitrate
    codec.time_base, codec.framerate = _TIME_BASE, Fraction(PICTURES_PER_SECOND)
    codec.gop_size = 3000  # `WHOLE_SECONDS` decides
    codec.qmin, codec.qmax = 2, 56
    codec.thread_count = 1
    codec.options = {
        "deadline": "realtime",
        "cpu-used": "-12",
        "lag-in-frames": "0",
        "error-resilient": "1",
        "minrate": str(bitrate // 4),
        "maxrate": str(bitrate),
        "bufsize": str(bitrate // 2),
    }
    return codec
