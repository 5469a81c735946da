"""Animated WebP and PNG files: which they are, and a reader of WebP, which FFmpeg does not decode."""

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np

from io_bridges.clip_times import ClipFrame, at_constant_rate
from io_bridges.frames import LONGEST_SIDE, Pixels
from io_bridges.lazy_imports import opencv
from io_bridges.matte import BLACK, AlphaKind, Matte, flatten
from io_bridges.pixels import read_only
from presets.errors import BridgeError

_MOST_BYTES = 1 << 30
"""Most bytes of decoded frames that are held."""
_SHORTEST = 0.02
"""Seconds of a frame that says that it has none, as browsers show it."""
_HEADER = 64 << 10


def is_animated(path: Path) -> bool:
    """Return True if a WebP or PNG file has several frames. False if it cannot be read."""
    if path.suffix.lower() not in (".png", ".apng", ".webp"):
        return False
    try:
        with path.open("rb") as file:
            header = file.read(_HEADER)
    except OSError:
        return False
    if header.startswith(b"\x89PNG"):
        # The animation's header comes before the first picture (PNG specification, third edition, 11.3.6).
        return b"acTL" in header.partition(b"IDAT")[0]
    # Bit 1 of the flags of an extended WebP (RFC 9649, 2.7).
    return header[:4] == b"RIFF" and header[8:16] == b"WEBPVP8X" and len(header) > 20 and bool(header[20] & 2)


class AnimatedWebp:
    """The frames of an animated WebP, decoded at once. It reads as `io_bridges.clip_reader.ClipReader` does."""

    corrupt = 0

    def __init__(self, path: Path, matte: Matte = BLACK, alpha: AlphaKind = "straight") -> None:
        """Decode the file. Raises `BridgeError` with the path."""
        self.path = path
        cv2 = opencv()
        if not hasattr(cv2, "imdecodeanimation"):
            raise BridgeError(
                f"{path}: animated WebP needs OpenCV 4.11. Run: pip install --upgrade opencv-python-headless"
            )
        try:
            data = np.frombuffer(path.read_bytes(), np.uint8)
            first = cv2.imdecode(data, cv2.IMREAD_UNCHANGED)
            if first is None or max(first.shape[:2]) > LONGEST_SIDE:
                raise BridgeError(f"Cannot decode {path}: frames of at most {LONGEST_SIDE} pixels a side are expected")
            whole, animation = cv2.imdecodeanimation(data, 0, max(1, _MOST_BYTES // (4 * first[..., 0].size)))
        except (OSError, cv2.error) as error:
            raise BridgeError(f"Cannot decode {path}: {error}") from error
        if not whole or not len(animation.frames):
            raise BridgeError(f"{path} has no frame that can be decoded")
        self._matte, self._alpha = matte, alpha
        self._frames = animation.frames
        self._durations = [max(int(ms) / 1000, _SHORTEST) for ms in animation.durations]
        self.shape: tuple[int, int] = self._frames[0].shape[:2]
        """Height and width in pixels."""
        usual = sorted(self._durations)[len(self._durations) // 2]
        self.fps: Fraction = Fraction(1 / usual).limit_denominator(1001)
        """Frames per second of most frames."""
        self.count: int = round(sum(self._durations) * self.fps)
        """Number of frames at the rate `fps`."""

    def __iter__(self) -> Iterator[Pixels]:
        return at_constant_rate(self.frames(), self.fps, self.rgb)

    def frames(self) -> Iterator[ClipFrame]:
        """Yield the frames with their times."""
        at = 0.0
        for picture, duration in zip(self._frames, self._durations, strict=True):
            yield ClipFrame(at, at + duration, picture)
            at += duration

    def rgb(self, entry: ClipFrame) -> Pixels:
        """Return RGB [H, W, 3], read-only."""
        cv2 = opencv()
        if entry.frame.shape[2] == 4:
            pixels = cv2.cvtColor(entry.frame, cv2.COLOR_BGRA2RGBA)
            return read_only(flatten(pixels, self._matte, self._alpha))
        return read_only(cv2.cvtColor(entry.frame, cv2.COLOR_BGR2RGB))

    def close(self) -> None:
        """Do nothing: the file is not open."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()
