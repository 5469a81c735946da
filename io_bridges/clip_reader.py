"""`ClipReader` decodes a clip with PyAV: RGB frames, upright, as fast as they are asked for.

This module needs the extra ``video``. `io_bridges.clip.open_clip` imports it on use.
"""

from collections.abc import Iterator
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from types import TracebackType
from typing import Self, cast

import av
from av.container import InputContainer
from av.video.codeccontext import VideoCodecContext
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from io_bridges.clip_codecs import missing_decoder
from io_bridges.clip_times import LONGEST_GAP, LONGEST_GAP_OF_STREAMS, ClipFrame, FrameTimes, at_constant_rate
from io_bridges.deinterlacer import Deinterlacer
from io_bridges.frames import LONGEST_SIDE, Pixels
from io_bridges.image_files import missing
from io_bridges.matte import BLACK, AlphaKind, Matte
from io_bridges.video_frames import RgbConverter
from presets.errors import BridgeError

_FALLBACK_RATE = Fraction(25)
_LOWEST_RATE, _HIGHEST_RATE = 1, 250
_MEASURED_PACKETS = 200
_THREADS = 2
_CLOCK_MAY_JUMP = 0x200
"""FFmpeg's flag of formats with time stamps that are not continuous (``AVFMT_TS_DISCONT``)."""
_ALPHA_DECODERS = {"vp8": "libvpx", "vp9": "libvpx-vp9"}
"""Decoders that read the alpha of WebM. FFmpeg's own ones leave it out."""
_ANIMATED_PNG = {".png": "apng", ".apng": "apng"}


class ClipReader:
    """An open clip. Iterating over it yields RGB uint8 [H, W, 3] at the constant rate `fps`."""

    def __init__(self, path: Path, matte: Matte = BLACK, alpha: AlphaKind = "straight") -> None:
        """Open the clip. Raises `BridgeError` with the path if it is missing, no clip, or without frames.

        Args:
            path: The file.
            matte: Colour behind transparent pixels.
            alpha: What the clip's colours are where it is transparent.
        """
        self.path = path
        self.corrupt = 0
        """Number of packets that could not be decoded and were skipped."""
        if not path.is_file():
            raise BridgeError(f"{path} is not a file" if path.exists() else missing(path))
        self._container = _opened(path)
        self._stream = self._film()
        self._stream.thread_type = "AUTO"
        context = self._stream.codec_context
        context.thread_count = _THREADS
        self.fps: Fraction = self._rate()
        """Frames per second of the clip, or the usual rate of one whose frames differ in length."""
        self.count: int = self._frame_count()
        """Number of frames at the rate `fps` by the clip's metadata, or 0 if it has none. A damaged clip has fewer."""
        self._converter = RgbConverter(self._stream.sample_aspect_ratio, matte, alpha)
        self._check_size(context.width, context.height)
        width, height = self._converter.size(context.width, context.height)
        self.shape: tuple[int, int] = (height, width)
        """Height and width in pixels, before the rotation that the clip asks for."""

    def __iter__(self) -> Iterator[Pixels]:
        return at_constant_rate(self.frames(), self.fps, self.rgb)

    def frames(self) -> Iterator[ClipFrame]:
        """Yield the frames with their times. Raises `BridgeError` if no frame can be decoded."""
        is_stream = bool(self._container.format.flags & _CLOCK_MAY_JUMP)
        times = FrameTimes(self.fps, LONGEST_GAP_OF_STREAMS if is_stream else LONGEST_GAP)
        number = 0
        for frame in self._decode():
            self._check_size(frame.width, frame.height)
            duration = float(frame.duration * frame.time_base) if frame.duration and frame.time_base else 0.0
            at = times.next(None if frame.pts is None else frame.time, duration)
            number += 1
            yield ClipFrame(at, times.end, frame)
        if not number:
            self.close()
            raise BridgeError(f"{self.path} has no frame that can be decoded")

    def rgb(self, entry: ClipFrame) -> Pixels:
        """Return RGB [H, W, 3], read-only, as a player shows the frame."""
        return self._converter.convert(entry.frame)

    def close(self) -> None:
        """Close the file. May be called twice."""
        self._container.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def _film(self) -> VideoStream:
        """Return the stream of the film. A cover picture may come before it."""
        streams = self._container.streams.video
        film = next((stream for stream in streams if not is_cover(stream)), streams[0] if streams else None)
        if film is None:
            self.close()
            raise BridgeError(f"{self.path} has no video stream")
        if film.codec_context is None:
            self.close()
            raise BridgeError(missing_decoder(self.path))
        return film

    def _decode(self) -> Iterator[VideoFrame]:
        deinterlacer, alpha = Deinterlacer(self._stream), self._alpha_decoder()
        try:
            for packet in self._container.demux(self._stream):
                try:
                    for frame in packet.decode() if alpha is None else alpha.decode(packet):
                        yield from deinterlacer.pass_on(frame)
                except av.error.InvalidDataError:
                    self.corrupt += 1
            yield from deinterlacer.pass_on(None)
        except av.error.FFmpegError as error:
            self.close()
            raise BridgeError(f"Cannot read the rest of {self.path}: {error.strerror}") from error

    def _alpha_decoder(self) -> VideoCodecContext | None:
        """Return a decoder for a WebM with alpha, None for other clips."""
        name = _ALPHA_DECODERS.get(self._stream.codec_context.name, "")
        if not name or self._stream.metadata.get("alpha_mode") != "1":
            return None
        try:
            return cast(VideoCodecContext, av.CodecContext.create(name, "r"))
        except (ValueError, av.error.FFmpegError):
            return None

    def _rate(self) -> Fraction:
        for rate in (self._stream.guessed_rate, self._stream.average_rate):
            if rate and _LOWEST_RATE <= rate <= _HIGHEST_RATE:
                return rate
        return self._measured_rate() or _FALLBACK_RATE

    def _measured_rate(self) -> Fraction | None:
        """Return the usual rate by the time stamps of the first packets, None if they say nothing."""
        with _opened(self.path) as container:
            stream = container.streams.video[self._container.streams.video.index(self._stream)]
            packets = (packet for packet, _ in zip(container.demux(stream), range(_MEASURED_PACKETS), strict=False))
            stamps = sorted(packet.pts for packet in packets if packet.pts is not None)
        gaps = sorted(later - earlier for earlier, later in pairwise(stamps) if later > earlier)
        if not gaps or stream.time_base is None:
            return None
        rate = 1 / (gaps[len(gaps) // 2] * stream.time_base)
        return rate if _LOWEST_RATE <= rate <= _HIGHEST_RATE else None

    def _frame_count(self) -> int:
        average, duration = self._stream.average_rate, self._container.duration
        if self._stream.frames and average and abs(average / self.fps - 1) < Fraction(1, 50):
            return self._stream.frames
        return round(duration / av.time_base * self.fps) if duration else self._stream.frames

    def _check_size(self, width: int, height: int) -> None:
        if min(width, height) < 1:
            self.close()
            raise BridgeError(f"{self.path} has no frame that can be decoded")
        if max(width, height) > LONGEST_SIDE:
            self.close()
            raise BridgeError(f"{self.path} has frames of {width}x{height}; the limit is {LONGEST_SIDE} pixels a side")


def is_cover(stream: VideoStream) -> bool:
    """Return True if a stream is a picture that belongs to a film or a song, not a film."""
    return bool(stream.disposition & av.stream.Disposition.attached_pic)


def _opened(path: Path) -> InputContainer:
    try:
        # The prefix keeps FFmpeg from reading a name such as "http:clip.mp4" as an address.
        container: InputContainer = av.open(f"file:{path}", "r", format=_ANIMATED_PNG.get(path.suffix.lower()))
        return container
    except (OSError, av.error.FFmpegError) as error:
        raise BridgeError(f"Cannot decode {path} as a clip: {error.strerror}") from error
