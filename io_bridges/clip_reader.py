"""`ClipReader` decodes a clip with PyAV: RGB frames, upright, as fast as they are asked for.

This module needs the extra ``video``. `io_bridges.clip.open_clip` imports it on use.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Self

import av
from av.video.frame import VideoFrame

from io_bridges.frames import LONGEST_SIDE, Pixels
from io_bridges.video_frames import RgbConverter
from presets.errors import BridgeError

_FALLBACK_RATE = Fraction(25)
_THREADS = 2


@dataclass(frozen=True, slots=True)
class ClipFrame:
    """A decoded frame before its conversion to RGB, so that a dropped frame costs no conversion."""

    time: float
    """Seconds from the first frame of the clip."""
    frame: VideoFrame


class ClipReader:
    """An open clip. Iterating over it yields its frames once, in order, RGB uint8 [H, W, 3]."""

    def __init__(self, path: Path) -> None:
        """Open the clip. Raises `BridgeError` with the path if it is missing, no clip, or without frames."""
        self.path = path
        if not path.is_file():
            raise BridgeError(f"{path} is not a file" if path.exists() else f"{path} does not exist")
        try:
            self._container = av.open(str(path))
        except (OSError, av.error.FFmpegError) as error:
            raise BridgeError(f"Cannot decode {path} as a clip: {error.strerror}") from error
        self._converter = RgbConverter()
        self.corrupt = 0
        """Number of packets that could not be decoded and were skipped."""
        if not self._container.streams.video:
            self.close()
            raise BridgeError(f"{path} has no video stream")
        self._stream = self._container.streams.video[0]
        self._stream.thread_type = "AUTO"
        self._stream.codec_context.thread_count = _THREADS
        self.fps: Fraction = self._stream.average_rate or self._stream.guessed_rate or _FALLBACK_RATE
        """Frames per second."""
        self.count: int = self._stream.frames or self._estimate_count()
        """Number of frames by the clip's metadata, or 0 if it has none. A damaged clip may have fewer."""
        context = self._stream.codec_context
        self.shape: tuple[int, int] = (context.height, context.width)
        """Height and width in pixels, before the rotation that the clip asks for."""
        self._check_size(context.width, context.height)

    def __iter__(self) -> Iterator[Pixels]:
        for entry in self.frames():
            yield self.rgb(entry)

    def frames(self) -> Iterator[ClipFrame]:
        """Yield the frames with their times. Raises `BridgeError` if no frame can be decoded."""
        first: float | None = None
        number = 0
        for frame in self._decode():
            self._check_size(frame.width, frame.height)
            # A frame without a time stamp plays at the clip's rate.
            stamp = float(number / self.fps) if frame.pts is None else frame.time
            first = stamp if first is None else first
            number += 1
            yield ClipFrame(stamp - first, frame)
        if not number:
            self.close()
            raise BridgeError(f"{self.path} has no frame that can be decoded")

    def rgb(self, entry: ClipFrame) -> Pixels:
        """Return RGB [H, W, 3], read-only, rotated as the clip's metadata says."""
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

    def _decode(self) -> Iterator[VideoFrame]:
        try:
            for packet in self._container.demux(self._stream):
                try:
                    yield from packet.decode()
                except av.error.InvalidDataError:
                    self.corrupt += 1
        except av.error.FFmpegError as error:
            self.close()
            raise BridgeError(f"Cannot read the rest of {self.path}: {error.strerror}") from error

    def _estimate_count(self) -> int:
        duration = self._container.duration
        return round(duration / av.time_base * self.fps) if duration else 0

    def _check_size(self, width: int, height: int) -> None:
        if min(width, height) < 1:
            self.close()
            raise BridgeError(f"{self.path} has no frame that can be decoded")
        if max(width, height) > LONGEST_SIDE:
            self.close()
            raise BridgeError(f"{self.path} has frames of {width}x{height}; the limit is {LONGEST_SIDE} pixels a side")
