"""`ClipEncoder` encodes frames into a clip with PyAV. The same frames give the same bytes.

This module needs the extra ``video``. `io_bridges.clip` imports it on use.
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

# The encoder's output depends on the number of threads, so it is the same on every machine.
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
    """An encoder into a temporary file beside `path`, which replaces `path` when it is finished."""

    def __init__(self, path: Path, width: int, height: int, fps: Fraction) -> None:
        """Start the file, for frames of this size in pixels.

        Raises `SettingsError` for a suffix or size that no codec takes, `BridgeUnavailable` if PyAV lacks the codec,
        `BridgeError` if the file cannot be written.
        """
        codec = CODECS.get(path.suffix.lower())
        if codec is None:
            raise SettingsError(f"Cannot write {path}: its name must end in one of {', '.join(CODECS)}, .png, .jpg")
        if codec.pixel_format == "yuv420p" and (width % 2 or height % 2):
            raise SettingsError(
                f"H.264 needs an even width and height, not {width}x{height}. Choose .mkv or another size"
            )
        self._path = path
        self._part = path.with_name(f".{path.stem}.part{path.suffix}")
        self._codec = codec
        self._reformatter = VideoReformatter()
        self._number = 0
        try:
            # bitexact leaves out encoder versions and random identifiers.
            self._container = av.open(str(self._part), "w", options={"fflags": "+bitexact", **codec.container})
        except (OSError, av.error.FFmpegError) as error:
            raise BridgeError(f"Cannot write {path}: {error.strerror}") from error
        try:
            stream = self._container.add_stream(codec.name, rate=fps)
        except (ValueError, av.error.FFmpegError) as error:
            self.discard()
            raise BridgeUnavailable(f"This build of PyAV has no {codec.name}. Run: pip install --upgrade av") from error
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
        """Add one frame, RGB uint8 [H, W, 3]. Raises `BridgeError`."""
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
        """Flush the encoder and move the file into place. Raises `BridgeError`."""
        self._mux(None)
        try:
            self._container.close()
            self._part.replace(self._path)
        except (OSError, av.error.FFmpegError) as error:
            self.discard()
            raise BridgeError(f"Cannot finish {self._path}: {error.strerror}") from error

    def discard(self) -> None:
        """Close and remove the unfinished file."""
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
            raise BridgeError(f"Cannot write {self._path}: {error.strerror}") from error
