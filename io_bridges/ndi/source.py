"""``ndi:`` source: the newest frame of an NDI sender on the network, found by its name.

The sender may start later, go away and come back, and change its size. Frames come from the receiver's frame
synchroniser: cyndilib makes one for each receiver, and it takes most frames away from `Receiver.receive`, which also
holds the interpreter lock while it waits.
"""

import time

import numpy as np
from cyndilib.finder import Finder
from cyndilib.receiver import Receiver
from cyndilib.video_frame import VideoFrameSync
from cyndilib.wrapper.ndi_recv import RecvBandwidth, RecvColorFormat

from io_bridges.frames import LONGEST_SIDE, Frame, Pixels
from io_bridges.ndi.names import match_sender, plain_name
from io_bridges.pixels import to_rgb
from presets.errors import BridgeError

_POLL_SECONDS = 0.004
_LOOK_NS = 250_000_000
_SEARCH_NS = 5_000_000_000
"""Time without a sender after which the search for it begins anew. One that began before a network interface came up,
or that found its peers by address, may never hear of a later sender."""
_CHANNELS = 4


class NdiSource:
    """A source that receives one NDI sender. Alpha is dropped."""

    def __init__(self, location: str) -> None:
        """Set the name of the sender, with or without its machine."""
        self._wanted = location
        # One finder and one receiver serve all openings. They are in reference cycles: discarded ones would keep their
        # threads and connections until the next garbage collection.
        self._finder: Finder | None = None
        self._receiver: Receiver | None = None
        self._is_open = False
        self._video = VideoFrameSync()
        self._sender = ""
        self._heard: tuple[str, ...] = ()
        self._looked_at = 0
        self._missing_since = 0
        self._stamp: tuple[float, float] | None = None
        self._size = ""
        self._declared_fps = 0.0
        self._connected = False
        self._index = 0
        self._refused = 0

    def open(self) -> None:
        """Start to look for the sender, which need not exist yet."""
        self.close()
        if self._finder is None or self._receiver is None:
            self._finder = Finder()
            self._receiver = Receiver(
                color_format=RecvColorFormat.RGBX_RGBA,
                bandwidth=RecvBandwidth.highest,  # The default is a small preview.
                allow_video_fields=False,
                recv_name="streamflow-live",
            )
            self._receiver.frame_sync.set_video_frame(self._video)
        self._index = self._looked_at = 0
        self._missing_since = time.monotonic_ns()
        self._is_open = True

    def read(self, timeout: float) -> Frame | None:
        """Wait at most `timeout` seconds for a frame. Return the newest one, or None."""
        if self._finder is None or self._receiver is None or not self._is_open:
            raise BridgeError(f"The NDI sender {self._wanted} was read before it was open")
        deadline = time.monotonic() + timeout
        while True:
            self._look(self._finder, self._receiver)
            pixels = self._capture(self._receiver)
            if pixels is not None:
                frame = Frame(pixels, self._index, time.monotonic_ns())
                self._index += 1
                return frame
            left = deadline - time.monotonic()
            if left <= 0:
                return None
            time.sleep(min(left, _POLL_SECONDS))

    def close(self) -> None:
        """Disconnect from the sender."""
        if self._receiver is not None:
            self._receiver.disconnect()
        self._is_open = self._connected = False
        self._sender = ""

    def status(self) -> dict[str, object]:
        """Return the full name of the sender, its size, the senders heard, and counts of frames read and refused."""
        return {
            "source": "ndi",
            "name": self._wanted,
            "sender": plain_name(self._sender),
            "senders": int(self._connected),
            "heard": list(self._heard),
            "size": self._size,
            "pictures": self._index,
            "declared_fps": self._declared_fps,
            "refused": self._refused,
        }

    def _look(self, finder: Finder, receiver: Receiver) -> None:
        """Connect to the sender when it appears, a few times a second. A known one is reconnected by the library."""
        now = time.monotonic_ns()
        if now - self._looked_at < _LOOK_NS:
            return
        self._looked_at = now
        names = finder.update_sources()
        self._heard = tuple(sorted(set(map(plain_name, names))))
        self._connected = receiver.get_num_connections() > 0
        if self._connected:
            self._missing_since = now
        elif now - self._missing_since > _SEARCH_NS:
            self._search_anew(finder, now)
            return
        chosen = match_sender(self._wanted, names)
        if chosen is not None and chosen != self._sender and self._sender not in names:
            receiver.set_source(finder.get_source(chosen))
            self._sender = chosen

    def _search_anew(self, finder: Finder, now: int) -> None:
        finder.close()
        self._finder = Finder()
        self._sender, self._missing_since = "", now

    def _capture(self, receiver: Receiver) -> Pixels | None:
        """Return RGB [H, W, 3] of a frame that was not captured before, or None."""
        video = self._video
        receiver.frame_sync.capture_video()
        width, height = video.get_resolution()
        stamp = video.get_timestamp_posix(), video.get_timecode_posix()
        if not width or not height or stamp == self._stamp:  # The synchroniser repeats its last frame.
            return None
        self._stamp = stamp
        stride = video.get_line_stride()  # Lines are padded.
        if max(width, height) > LONGEST_SIDE or stride < width * _CHANNELS or video.get_buffer_size() < height * stride:
            self._refused += 1
            return None
        self._size = f"{width}x{height}"
        self._declared_fps = float(video.get_frame_rate())
        lines = np.frombuffer(video, np.uint8, count=height * stride).reshape(height, stride)
        rgbx = lines[:, : width * _CHANNELS].reshape(height, width, _CHANNELS)
        return to_rgb(rgbx, "rgba")  # A copy: the buffer goes back to the library when `lines` is gone.
