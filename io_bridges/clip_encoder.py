"""A clip's pictures into a file, PyAV: the same pictures give the same bytes.

This module wants the extra ``video``; `io_bridges.clip` imports it on use.
"""

import contextlib
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from types import MappingProxyType

import av
from av.video.frame import VideoFrame
from av.video.reformatter import Colorspace, VideoReformatter

from io_bridges.frames import Pixels
from presets.errors import BridgeError, BridgeUnavailable, SettingsError

# The encoder's output depends on how many threads share a picture, so the count is not the machine's.
_THREADS = 2
_BT709, _LIMITED_RANGE = 1, 1


@dataclass(frozen=True, slots=True)
class _Codec:
    name: str
    pixel_format: str
    options: Mapping[str, str]
    container: Mapping[str, str]


_H264 = _Codec("libx264", "yuv420p", {"crf": "14", "preset": "medium"}, {"movflags": "+faststart"})
_FFV1 = _Codec("ffv1", "bgr0", {"level": "3", "slices": "4", "slicecrc": "1"}, {})
CODECS = MappingProxyType({".mp4": _H264, ".mov": _H264, ".mkv": _FFV1})


class ClipEncoder:
    """Encodes into a file beside `path`, which takes its place when it is finished."""

    def __init__(self, path: Path, width: int, height: int, fps: Fraction) -> None:
        codec = CODECS.get(path.suffix.lower())
        if codec is None:
            raise SettingsError(
                f"{path} can't be written: its name should end in one of {', '.join(CODECS)}, .png, .jpg"
            )
        if codec.pixel_format == "yuv420p" and (width % 2 or height % 2):
            raise SettingsError(
                f"H.264 wants an even width and height, not {width}x{height}: choose .mkv or another size"
            )
        self._path = path
        self._part = path.with_name(f".{path.stem}.part{path.suffix}")
        self._codec = codec
        self._reformatter = VideoReformatter()
        self._number = 0
        try:
            # bitexact: no encoder versions, no random identifiers.
            self._container = av.open(str(self._part), "w", options={"fflags": "+bitexact", **codec.container})
        except (OSError, av.error.FFmpegError) as error:
            raise BridgeError(f"{path} can't be written: {error.strerror}") from error
        try:
            stream = self._container.add_stream(codec.name, rate=fps)
        except (ValueError, av.error.FFmpegError) as error:
            self.discard()
            raise BridgeUnavailable(f"this build of PyAV has no {codec.name}: pip install --upgrade av") from error
        assert isinstance(stream, av.VideoStream)
        self._stream = stream
        context = stream.codec_context
        context.width, context.height = width, height
        context.pix_fmt = codec.pixel_format
        context.options = dict(codec.options)
        context.thread_count = _THREADS
        if codec is _H264:
            context.colorspace = context.color_primaries = context.color_trc = _BT709
            context.color_range = _LIMITED_RANGE

    def encode(self, pixels: Pixels) -> None:
        """Add RGB uint8 [H, W, 3]."""
        frame = self._reformatter.reformat(
            VideoFrame.from_ndarray(pixels, format="rgb24"),
            format=self._codec.pixel_format,
            dst_colorspace=Colorspace.ITU709 if self._codec is _H264 else None,
        )
        frame.pts = self._number
        frame.time_base = 1 / self._stream.codec_context.framerate
        self._number += 1
        self._mux(frame)

    def finish(self) -> None:
        """Write what the encoder still holds, and put the file in its place."""
        self._mux(None)
        try:
            self._container.close()
            self._part.replace(self._path)
        except (OSError, av.error.FFmpegError) as error:
            self.discard()
            raise BridgeError(f"{self._path} can't be finished: {error.strerror}") from error

    def discard(self) -> None:
        """Close and remove what there is."""
        with contextlib.suppress(OSError, av.error.FFmpegError):
            self._container.close()
        with contextlib.suppress(OSError):
            self._part.unlink(missing_ok=True)

    def _mux(self, frame: VideoFrame | None) -> None:
        try:
            for packet in self._stream.encode(frame):
                self._container.mux(packet)
        except (OSError, av.error.FFmpegError) as error:
            self.discard()
            raise BridgeError(f"{self._path} can't be written: {error.strerror}") from error
