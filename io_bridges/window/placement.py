"""Place and size of a window on a display, and of the picture in it."""

from collections.abc import Sequence
from dataclasses import dataclass

from io_bridges.window.messages import Fit
from presets.errors import BridgeUnavailable


@dataclass(frozen=True, slots=True)
class Display:
    """One display of this machine."""

    number: int
    """From 1. The primary one is 1."""
    name: str
    x: int
    y: int
    width: int
    height: int


def choose_display(displays: Sequence[Display], wanted: int | None, fullscreen: bool | None) -> tuple[Display, bool]:
    """Return the display, and True for full screen.

    The default is full screen on the last display that is not the primary one. Where there is only one, the default is
    a plain window, because a full screen would cover the page. Raises `BridgeUnavailable` for a display that is absent.
    """
    if wanted is None:
        return displays[-1], len(displays) > 1 if fullscreen is None else fullscreen
    for display in displays:
        if display.number == wanted:
            return display, fullscreen is not False
    listed = ", ".join(f"{each.number} ({each.name}, {each.width}x{each.height})" for each in displays)
    raise BridgeUnavailable(f"There is no display {wanted}. Plug it in, or choose one of: {listed}")


def place_picture(picture: tuple[int, int], window: tuple[int, int], fit: Fit) -> tuple[int, int, int, int]:
    """Return x, y, width and height in pixels of a picture in a window; outside of it with ``fill``."""
    width, height = window
    if fit == "stretch":
        return 0, 0, width, height
    scales = (width / picture[0], height / picture[1])
    scale = min(scales) if fit == "fit" else max(scales)
    wide, high = round(picture[0] * scale), round(picture[1] * scale)
    return (width - wide) // 2, (height - high) // 2, wide, high


def plain_size(picture: tuple[int, int], display: Display) -> tuple[int, int]:
    """Return the size of a plain window: the picture's, smaller where the display is."""
    scale = min(1.0, 0.9 * display.width / picture[0], 0.9 * display.height / picture[1])
    return max(round(picture[0] * scale), 1), max(round(picture[1] * scale), 1)
