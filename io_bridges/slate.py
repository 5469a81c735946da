"""The picture before the first picture: who is playing, what is awaited, how far it is. Never black.

A black output looks like a broken one; this says that the show is on its way.
"""

import functools
import unicodedata
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from io_bridges.frames import Pixels
from io_bridges.image_files import read_still
from io_bridges.opencv_import import opencv
from io_bridges.pixels import fit, sealed

NAME = "streamflow-live"

_WHITE, _SOFT, _TRACK, _ACCENT = (250, 248, 255), (198, 196, 222), (70, 62, 104), (255, 138, 92)


def draw_slate(width: int, height: int, lines: Sequence[str] = (), progress: float | None = None) -> Pixels:
    """RGB [height, width, 3] with the name, up to four lines below it, and a bar filled to `progress` (0 to 1)."""
    cv2 = opencv()
    slate = _glow(width, height).copy()
    margin = round(width * 0.08)
    room = width - 2 * margin
    unit = min(height, round(width * 0.75))
    y = round(height * 0.46)
    _write(slate, NAME, (margin, y), unit * 0.11, room, _WHITE, bold=True)
    for line in lines[:4]:
        y += round(unit * 0.1)
        _write(slate, line, (margin, y), unit * 0.052, room, _SOFT)
    if progress is not None:
        share = min(max(progress, 0.0), 1.0) if progress == progress else 0.0  # not a number counts as nothing
        thickness = max(2, round(unit * 0.016))
        top = round(height * 0.88)
        cv2.rectangle(slate, (margin, top), (margin + room, top + thickness), _TRACK, cv2.FILLED)
        if share > 0:
            cv2.rectangle(slate, (margin, top), (margin + round(room * share), top + thickness), _ACCENT, cv2.FILLED)
    return sealed(slate)


def load_slate(path: Path, width: int, height: int) -> Pixels:
    """RGB [height, width, 3] from the user's own picture, its middle filling the size. Raises `BridgeError`."""
    return fit(read_still(path), width, height)


@functools.lru_cache(maxsize=2)
def _glow(width: int, height: int) -> Pixels:
    """A dusk: violet that turns to ember at the lower right; ordered noise keeps the ramp free of bands."""
    down = np.linspace(0, 1, 90, dtype=np.float32)[:, np.newaxis]
    right = np.linspace(0, 1, 160, dtype=np.float32)[np.newaxis, :]
    ember = np.exp(-(((right - 0.92) / 0.55) ** 2 + ((down - 1.05) / 0.5) ** 2))[:, :, np.newaxis]
    cool = np.exp(-(((right - 0.1) / 0.7) ** 2 + ((down - 0.0) / 0.8) ** 2))[:, :, np.newaxis]
    base = np.array((34, 26, 58), np.float32)
    small = base + ember * np.array((150, 58, 34), np.float32) + cool * np.array((16, 30, 62), np.float32)
    colour = opencv().resize(small, (width, height), interpolation=opencv().INTER_LINEAR)
    bayer = np.array([[0, 8, 2, 10], [12, 4, 14, 6], [3, 11, 1, 9], [15, 7, 13, 5]], np.float32) / 16
    dither = np.tile(bayer, (height // 4 + 1, width // 4 + 1))[:height, :width, np.newaxis]
    return sealed((colour + dither).astype(np.uint8))


def _write(
    slate: Pixels,
    text: str,
    at: tuple[int, int],
    pixels_high: float,
    room: int,
    colour: tuple[int, int, int],
    bold: bool = False,
) -> None:
    """One line of text, its capitals `pixels_high`, smaller where it would not fit into `room` pixels."""
    cv2 = opencv()
    # The fonts of OpenCV know ASCII only.
    text = unicodedata.normalize("NFKD", text[:200]).encode("ascii", "ignore").decode()
    text = "".join(character for character in text if character.isprintable())
    font = cv2.FONT_HERSHEY_DUPLEX if bold else cv2.FONT_HERSHEY_SIMPLEX
    size = pixels_high / 22  # capitals of the Hershey fonts are 22 pixels high at size 1
    weight = 2.0 if bold else 1.4
    (wide, _), _ = cv2.getTextSize(text, font, size, max(1, round(size * weight)))
    if wide > room:
        size *= room / wide
    thickness = max(1, round(size * weight))
    cv2.putText(slate, text, at, font, size, colour, thickness, cv2.LINE_AA)
