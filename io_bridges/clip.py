"""Clips and still images offline, without a clock: `decode_clip` reads every frame, `ClipWriter` writes them.

Clips need the extra ``video`` (PyAV). Still images do not.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

from io_bridges.animated_image import AnimatedWebp
from io_bridges.frames import Pixels
from io_bridges.image_files import has_still_suffix, is_still, read_still, write_still
from io_bridges.lazy_imports import import_extra
from io_bridges.matte import BLACK, AlphaKind, Matte
from presets.errors import BridgeError, SettingsError

if TYPE_CHECKING:
    from io_bridges.clip_encoder import ClipEncoder
    from io_bridges.clip_reader import ClipReader

STILL_RATE = Fraction(25)
"""Nominal frames per second of a still image."""


@dataclass(frozen=True, slots=True)
class ClipInfo:
    """Metadata of a clip. A still image is a clip of one frame."""

    frames: int
    """Number of frames at the rate `fps`, or 0 if the clip does not say. A damaged clip may have fewer."""
    fps: Fraction
    width: int
    height: int


def clip_info(path: Path) -> ClipInfo:
    """Return the metadata of a clip or still image.

    Raises `BridgeError` with the path, and `BridgeUnavailable` if a clip needs PyAV and it is missing.
    """
    if is_still(path):
        height, width = read_still(path).shape[:2]
        return ClipInfo(1, STILL_RATE, width, height)
    with open_clip(path) as reader:
        height, width = reader.shape
        return ClipInfo(reader.count, reader.fps, width, height)


def decode_clip(path: Path) -> Iterator[Pixels]:
    """Yield the frames of a clip at its rate, or a still image, RGB uint8 [H, W, 3].

    A frame that stands longer than others comes several times. Transparent pixels are black.
    The file is opened at the call, not at the first frame. Raises as `clip_info` does.
    """
    if is_still(path):
        return iter([read_still(path)])
    return _frames(open_clip(path))


def open_clip(path: Path, matte: Matte = BLACK, alpha: AlphaKind = "straight") -> "ClipReader | AnimatedWebp":
    """Open a clip for reading; the reader is a context manager. Raises as `clip_info` does."""
    if path.suffix.lower() == ".webp":
        return AnimatedWebp(path, matte, alpha)
    import_extra("av", "video")
    from io_bridges import clip_reader

    return clip_reader.ClipReader(path, matte, alpha)


class ClipWriter:
    """A writer of frames of one size to a file, which appears only when the writer is closed.

    The suffix chooses the format: H.264 for .mp4 and .mov, lossless FFV1 for .mkv, one frame for .png, .jpg and other
    image formats. The same frames give the same bytes. As a context manager it discards the file on an error.
    """

    def __init__(self, path: Path, width: int, height: int, fps: float | Fraction) -> None:
        """Set the size in pixels and the rate in Hz.

        Raises `SettingsError` for a name or size that the format cannot have, `BridgeError` if it cannot be written.
        """
        self.path = path
        self.count = 0
        """Number of frames written."""
        self._shape = (height, width, 3)
        self._encoder: ClipEncoder | None = None
        if not path.parent.is_dir():
            raise BridgeError(f"The folder {path.parent} does not exist. Create it, or choose another")
        if not has_still_suffix(path):
            import_extra("av", "video")
            from io_bridges import clip_encoder

            self._encoder = clip_encoder.ClipEncoder(path, width, height, Fraction(fps).limit_denominator(1001))

    def write(self, pixels: Pixels) -> None:
        """Add RGB uint8 [height, width, 3]. Raises `BridgeError` if the disk or the codec fails."""
        if pixels.shape != self._shape:
            raise ValueError(f"frames for {self.path} must have shape {self._shape}, not {pixels.shape}")
        if self._encoder is not None:
            self._encoder.encode(pixels)
        elif self.count:
            raise SettingsError(f"{self.path} can hold one frame only. Name a clip, such as {self.path.stem}.mp4")
        else:
            write_still(self.path, pixels)
        self.count += 1

    def close(self) -> None:
        """Finish the file and move it into place. May be called twice."""
        if self._encoder is not None:
            self._encoder.finish()
            self._encoder = None

    def discard(self) -> None:
        """Remove an unfinished clip."""
        if self._encoder is not None:
            self._encoder.discard()
            self._encoder = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if kind is None:
            self.close()
        else:
            self.discard()


def _frames(reader: "ClipReader | AnimatedWebp") -> Iterator[Pixels]:
    with reader:
        yield from reader
