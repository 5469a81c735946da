"""`draw_slate` draws the frame shown before the first rendered frame: the name, what is loading, and progress.

It is never black, because a black output looks like a broken one.
"""

import functools
import unicodedata
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from io_bridges.frames import Pixels
from io_bridges.framing import fit
from io_bridges.image_files import read_still
from io_bridges.lazy_imports import opencv
from io_bridges.pixels import read_only

NAME = "streamflow-live"
MAX_LINES = 4
"""Most lines of text below the name."""

_WHITE, _SOFT, _TRACK, _ACCENT = (250, 248, 255), (198, 196, 222), (70, 62, 104), (255, 138, 92)


def draw_slate(width: int, height: int, lines: Sequence[str] = (), progress: float | None = None) -> Pixels:
    """Return RGB [height, width, 3] with the name, up to four lines of text, and a bar filled to `progress` (0 to 1).

    None for `progress` leaves out the bar.
    """
    cv2 = opencv()
    slate = _background(width, height).copy()
    margin = round(width * 0.08)
    room = width - 2 * margin
    unit = min(height, round(width * 0.75))
    y = round(height * 0.46)
    _write(slate, NAME, (margin, y), unit * 0.11, room, _WHITE, bold=True)
    for line in lines[:MAX_LINES]:
        y += round(unit * 0.1)
        _write(slate, line, (margin, y), unit * 0.052, room, _SOFT)
    if progress is not None:
        share = min(max(progress, 0.0), 1.0) if progress == progress else 0.0  # NaN counts as 0.
        thickness = max(2, round(unit * 0.016))
        top = round(height * 0.88)
        cv2.rectangle(slate, (margin, top), (margin + room, top + thickness), _TRACK, cv2.FILLED)
        if share > 0:
            cv2.rectangle(slate, (margin, top), (margin + round(room * share), top + thickness), _ACCENT, cv2.FILLED)
    return read_only(slate)


def load_slate(path: Path, width: int, height: int) -> Pixels:
    """Return the user's own image as RGB [height, width, 3], cropped to its middle. Raises `BridgeError`."""
    return fit(read_still(path), width, height)


@functools.lru_cache(maxsize=2)
def _background(width: int, height: int) -> Pixels:
    """Draw a violet gradient with an orange glow at the lower right. Ordered dithering hides the colour bands."""
    down = np.linspace(0, 1, 90, dtype=np.float32)[:, np.newaxis]
    right = np.linspace(0, 1, 160, dtype=np.float32)[np.newaxis, :]
    warm = np.exp(-(((right - 0.92) / 0.55) ** 2 + ((down - 1.05) / 0.5) ** 2))[:, :, np.newaxis]
    cool = np.exp(-(((right - 0.1) / 0.7) ** 2 + ((down - 0.0) / 0.8) ** 2))[:, :, np.newaxis]
    base = np.array((34, 26, 58), np.float32)
    small = base + warm * np.array((150, 58, 34), np.float32) + cool * np.array((16, 30, 62), np.float32)
    colour = opencv().resize(small, (width, height), interpolation=opencv().INTER_LINEAR)
    bayer = np.array([[0, 8, 2, 10], [12, 4, 14, 6], [3, 11, 1, 9], [15, 7, 13, 5]], np.float32) / 16
    dither = np.tile(bayer, (height // 4 + 1, width // 4 + 1))[:height, :width, np.newaxis]
    return read_only((colour + dither).astype(np.uint8))


def _write(
    slate: Pixels,
    text: str,
    at: tuple[int, int],
    capital_height: float,
    room: int,
    colour: tuple[int, int, int],
    bold: bool = False,
) -> None:
    """Write one line of text with its baseline at (x, y). The line shrinks if it is wider than `room` pixels."""
    cv2 = opencv()
    # OpenCV's fonts have ASCII characters only.
    text = unicodedata.normalize("NFKD", text[:200]).encode("ascii", "ignore").decode()
    text = "".join(character for character in text if character.isprintable())
    font = cv2.FONT_HERSHEY_DUPLEX if bold else cv2.FONT_HERSHEY_SIMPLEX
    size = capital_height / 22  # Capitals of the Hershey fonts are 22 pixels high at size 1.
    weight = 2.0 if bold else 1.4
    (text_width, _), _ = cv2.getTextSize(text, font, size, max(1, round(size * weight)))
    if text_width > room:
        size *= room / text_width
    thickness = max(1, round(size * weight))
    cv2.putText(slate, text, at, font, size, colour, thickness, cv2.LINE_AA)
