"""Clips and stills offline: every picture in, every picture out, no clock. What `render` reads and writes.

Clips want the extra ``video`` (PyAV); stills do not.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

from io_bridges.extras import import_extra
from io_bridges.frames import Pixels
from io_bridges.image_files import is_still, read_still, write_still
from presets.errors import BridgeError, SettingsError

if TYPE_CHECKING:
    from io_bridges.clip_encoder import ClipEncoder
    from io_bridges.clip_reader import ClipReader

STILL_RATE = Fraction(25)
"""Pictures a second of a still, where something must stand."""


@dataclass(frozen=True, slots=True)
class ClipInfo:
    """What a clip says of itself; a still is a clip of one picture."""

    frames: int
    """How many pictures; 0 where the clip does not say. A damaged clip may give fewer."""
    fps: Fraction
    width: int
    height: int


def clip_info(path: Path) -> ClipInfo:
    """Raises `BridgeError` with the path, `BridgeUnavailable` where a clip wants PyAV."""
    if is_still(path):
        height, width = read_still(path).shape[:2]
        return ClipInfo(1, STILL_RATE, width, height)
    with open_clip(path) as reader:
        height, width = reader.shape
        return ClipInfo(reader.count, reader.fps, width, height)


def decode_clip(path: Path) -> Iterator[Pixels]:
    """The pictures of a clip or a still, RGB uint8 [H, W, 3], in order.

    The file is opened at once: raises `BridgeError` with the path, `BridgeUnavailable` where a clip wants PyAV.
    """
    if is_still(path):
        return iter([read_still(path)])
    return _pictures(open_clip(path))


def open_clip(path: Path) -> "ClipReader":
    """A clip to be read; a context manager. Errors as with `decode_clip`."""
    import_extra("av", "video")
    from io_bridges import clip_reader

    return clip_reader.ClipReader(path)


class ClipWriter:
    """Writes pictures of one size to a file that is there whole once it is closed, and not at all before.

    The suffix chooses: .mp4 and .mov are H.264 that every program plays, .mkv is FFV1 without loss, .png, .jpg and
    the like take one picture. The same pictures give the same bytes. A context manager: on an error inside it, nothing
    is left behind.
    """

    def __init__(self, path: Path, width: int, height: int, fps: float | Fraction) -> None:
        """Size in pixels, rate in Hz. Raises `SettingsError` for a name or size that can't be meant, `BridgeError`."""
        self.path = path
        self.count = 0
        """Pictures written."""
        self._shape = (height, width, 3)
        self._encoder: ClipEncoder | None = None
        if not path.parent.is_dir():
            raise BridgeError(f"the folder {path.parent} is not there: make it, or write somewhere else")
        if not is_still(path):
            import_extra("av", "video")
            from io_bridges import clip_encoder

            self._encoder = clip_encoder.ClipEncoder(path, width, height, Fraction(fps).limit_denominator(1001))

    def write(self, pixels: Pixels) -> None:
        """Add RGB uint8 [height, width, 3]. Raises `BridgeError` where the disk or the codec refuses."""
        if pixels.shape != self._shape:
            raise ValueError(f"pictures of shape {self._shape} are written to {self.path}, not {pixels.shape}")
        if self._encoder is not None:
            self._encoder.encode(pixels)
        elif self.count:
            raise SettingsError(f"{self.path} can hold one picture only: name a clip, such as {self.path.stem}.mp4")
        else:
            write_still(self.path, pixels)
        self.count += 1

    def close(self) -> None:
        """Finish the file and put it in its place; may be called twice."""
        if self._encoder is not None:
            self._encoder.finish()
            self._encoder = None

    def discard(self) -> None:
        """Leave nothing behind of a clip that is not finished."""
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


def _pictures(reader: "ClipReader") -> Iterator[Pixels]:
    with reader:
        yield from reader
