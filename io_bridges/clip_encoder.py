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

from io_bridges.frames import Pixels
from io_bridges.video_stream import VideoEncoder, VideoStream
from presets.errors import BridgeError, BridgeUnavailable, SettingsError


@dataclass(frozen=True, slots=True)
class _Format:
    encoder: VideoEncoder
    container: Mapping[str, str]


_H264 = _Format(
    # With mbtree, x264 reads memory that it never wrote unless the width is a multiple of 128: the bytes then differ.
    VideoEncoder("libx264", "yuv420p", {"crf": "14", "preset": "medium", "mbtree": "0"}, step=(2, 2)),
    {"movflags": "+faststart"},
)
_FFV1 = _Format(VideoEncoder("ffv1", "bgr0", {"level": "3", "slices": "4", "slicecrc": "1"}), {})
_FORMATS = MappingProxyType({".mp4": _H264, ".mov": _H264, ".mkv": _FFV1})


class ClipEncoder:
    """An encoder into a temporary file beside `path`, which replaces `path` when it is finished."""

    def __init__(self, path: Path, width: int, height: int, fps: Fraction) -> None:
        """Start the file, for frames of this size in pixels.

        Raises `SettingsError` for a suffix or size that no codec takes, `BridgeUnavailable` if PyAV lacks the codec,
        `BridgeError` if the file cannot be written.
        """
        chosen = _FORMATS.get(path.suffix.lower())
        if chosen is None:
            raise SettingsError(f"Cannot write {path}: its name must end in one of {', '.join(_FORMATS)}, .png, .jpg")
        if width % chosen.encoder.step[0] or height % chosen.encoder.step[1]:
            raise SettingsError(
                f"H.264 needs an even width and height, not {width}x{height}. Choose .mkv or another size"
            )
        self._path = path
        self._part = path.with_name(f".{path.stem}.part{path.suffix}")
        self._number = 0
        try:
            # bitexact leaves out encoder versions and random identifiers.
            self._container = av.open(str(self._part), "w", options={"fflags": "+bitexact", **chosen.container})
        except (OSError, av.error.FFmpegError) as error:
            raise BridgeError(f"Cannot write {path}: {error.strerror}") from error
        try:
            self._stream = VideoStream(self._container, chosen.encoder, width, height, fps)
        except BridgeUnavailable:
            self.discard()
            raise

    def encode(self, pixels: Pixels) -> None:
        """Add one frame, RGB uint8 [H, W, 3]. Raises `BridgeError`."""
        try:
            self._stream.encode(pixels, self._number)
        except (OSError, av.error.FFmpegError) as error:
            self.discard()
            raise BridgeError(f"Cannot write {self._path}: {error.strerror}") from error
        self._number += 1

    def finish(self) -> None:
        """Flush the encoder and move the file into place. Raises `BridgeError`."""
        try:
            self._stream.flush()
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
