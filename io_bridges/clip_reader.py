"""A clip's pictures, one after another as fast as they are asked for: PyAV, turned upright, as RGB.

This module wants the extra ``video``; `io_bridges.clip.open_clip` imports it on use.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Self, cast

import av
import numpy as np
from av.video.frame import VideoFrame
from av.video.reformatter import Colorspace, VideoReformatter

from io_bridges.frames import Pixels
from io_bridges.opencv_import import LONGEST_SIDE
from io_bridges.pixels import sealed
from presets.errors import BridgeError

_UNSPECIFIED = 2
_HD = 720
_FALLBACK_RATE = Fraction(25)
_THREADS = 2


@dataclass(frozen=True, slots=True)
class ClipFrame:
    """A decoded picture that has not been turned to RGB yet, so that dropping it costs nothing more."""

    time: float
    """Seconds from the first picture of the clip."""
    frame: VideoFrame


class ClipReader:
    """An open clip. Iterating over it gives its pictures, RGB uint8 [H, W, 3], once, from the first to the last."""

    def __init__(self, path: Path) -> None:
        """Raises `BridgeError` with the path for what is missing, no clip, or has no picture in it."""
        self.path = path
        if not path.is_file():
            raise BridgeError(f"{path} is not there" if not path.exists() else f"{path} is no file")
        try:
            self._container = av.open(str(path))
        except (OSError, av.error.FFmpegError) as error:
            raise BridgeError(f"{path} is no clip that can be decoded: {error.strerror}") from error
        self._reformatter = VideoReformatter()
        self.corrupt = 0
        """Pieces that could not be decoded and were left out."""
        if not self._container.streams.video:
            self.close()
            raise BridgeError(f"{path} has no pictures in it")
        self._stream = self._container.streams.video[0]
        self._stream.thread_type = "AUTO"
        self._stream.codec_context.thread_count = _THREADS
        self.fps: Fraction = self._stream.average_rate or self._stream.guessed_rate or _FALLBACK_RATE
        """Pictures a second."""
        self.count: int = self._stream.frames or self._estimate()
        """How many pictures the clip says it has; 0 where it does not say. A damaged clip may give fewer."""
        context = self._stream.codec_context
        self.shape: tuple[int, int] = (context.height, context.width)
        """Height and width in pixels, before a phone's turn."""
        self._check_size(context.width, context.height)

    def __iter__(self) -> Iterator[Pixels]:
        for picture in self.pictures():
            yield self.rgb(picture)

    def pictures(self) -> Iterator[ClipFrame]:
        """The pictures with their times. Raises `BridgeError` if not one can be decoded."""
        first: float | None = None
        number = 0
        for frame in self._frames():
            self._check_size(frame.width, frame.height)
            # A clip without time stamps plays at its rate.
            stamp = float(number / self.fps) if frame.pts is None else frame.time
            first = stamp if first is None else first
            number += 1
            yield ClipFrame(stamp - first, frame)
        if not number:
            self.close()
            raise BridgeError(f"{self.path} has no picture that can be decoded")

    def rgb(self, picture: ClipFrame) -> Pixels:
        """RGB [H, W, 3], read-only, turned as the clip says."""
        frame = picture.frame
        # Without a tag, what players assume: BT.709 from 720 lines up, else BT.601.
        untagged = frame.colorspace == _UNSPECIFIED and frame.height >= _HD
        source = Colorspace.ITU709 if untagged and not frame.format.is_rgb else None
        converted = self._reformatter.reformat(frame, format="rgb24", src_colorspace=source)
        pixels = cast(Pixels, converted.to_ndarray())
        turns = round(getattr(frame, "rotation", 0) / 90) % 4
        return sealed(np.ascontiguousarray(np.rot90(pixels, turns)))

    def close(self) -> None:
        """Close the file; may be called twice."""
        self._container.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def _frames(self) -> Iterator[VideoFrame]:
        try:
            for packet in self._container.demux(self._stream):
                try:
                    yield from packet.decode()
                except av.error.InvalidDataError:
                    self.corrupt += 1
        except av.error.FFmpegError as error:
            self.close()
            raise BridgeError(f"{self.path} can't be read on: {error.strerror}") from error

    def _estimate(self) -> int:
        duration = self._container.duration
        return round(duration / av.time_base * self.fps) if duration else 0

    def _check_size(self, width: int, height: int) -> None:
        if min(width, height) < 1:
            self.close()
            raise BridgeError(f"{self.path} has no picture that can be decoded")
        if max(width, height) > LONGEST_SIDE:
            self.close()
            raise BridgeError(f"{self.path} has pictures of {width}x{height}: a side has at most {LONGEST_SIDE} pixels")
