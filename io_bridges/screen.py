"""``screen:`` source: a monitor, or a region of one, through mss. It needs the extra ``screen``.

Linux with X11 is tested; Windows and macOS are untested. Wayland shows no screen to programs.
"""

import contextlib
import os
import sys
import time
from typing import Any

import mss
import mss.exception
import numpy as np

from io_bridges.frames import LONGEST_SIDE, Frame
from io_bridges.pixels import to_rgb
from io_bridges.scheme import write_uri
from io_bridges.ticker import Ticker
from presets.errors import BridgeError, BridgeUnavailable

Region = tuple[int, int, int, int]
"""Width, height, left and top in the monitor's units."""

_CHANNELS = 4
_ERRORS = (mss.exception.ScreenShotError, AssertionError, OSError, ValueError)
"""Errors of mss 10.2, which fails an assertion when the X server is gone."""


def available() -> list[str]:
    """Return the URIs of the monitors, or none without a screen."""
    try:
        with _open_screen() as screen:
            return [write_uri("screen", str(number)) for number in range(1, len(screen.monitors))]
    except BridgeUnavailable:
        return []


class ScreenSource:
    """A source that looks at the screen at a constant rate."""

    def __init__(self, location: str, region: Region | None = None, fps: float = 30.0) -> None:
        """Set the monitor, from 1 on; 0 is all of them together, empty the first. `fps` is in Hz."""
        self._wanted = location
        self._region = region
        self._fps = fps
        self._screen: Any = None
        self._area: dict[str, int] = {}
        self._ticker = Ticker(fps)
        self._index = 0

    def open(self) -> None:
        """Find the monitor. Raises `BridgeUnavailable`: there is no such monitor, or it is smaller than the region."""
        self.close()
        self._screen = _open_screen()
        monitors = self._screen.monitors
        number = int(self._wanted or 1) if (self._wanted or "1").isdecimal() else len(monitors)
        if number >= len(monitors):
            raise BridgeUnavailable(
                f"There is no monitor {self._wanted}. There are {len(monitors) - 1}: screen:1 and up"
            )
        monitor = monitors[number]
        width, height, left, top = self._region or (monitor["width"], monitor["height"], 0, 0)
        if left + width > monitor["width"] or top + height > monitor["height"] or max(width, height) > LONGEST_SIDE:
            size = f"{monitor['width']}x{monitor['height']}"
            raise BridgeUnavailable(
                f"The region does not fit: the monitor has {size} pixels, at most {LONGEST_SIDE} a side"
            )
        self._area = {"left": monitor["left"] + left, "top": monitor["top"] + top, "width": width, "height": height}
        self._ticker = Ticker(self._fps)
        self._index = 0

    def read(self, timeout: float) -> Frame | None:
        """Wait at most `timeout` seconds for the next look. Return it, or None. Raises `BridgeError`."""
        if self._screen is None:
            raise BridgeError("The screen was read before it was open")
        if self._ticker.wait(timeout) is None:
            return None
        at = time.monotonic_ns()
        try:
            shot = self._screen.grab(self._area)
        except _ERRORS as error:
            raise BridgeError(f"The screen cannot be read: {str(error) or 'it is gone'}") from error
        pixels = np.frombuffer(shot.raw, np.uint8).reshape(shot.height, shot.width, _CHANNELS)
        frame = Frame(to_rgb(pixels, "bgra"), self._index, at)
        self._index += 1
        return frame

    def close(self) -> None:
        """Release the screen."""
        if self._screen is not None:
            with contextlib.suppress(*_ERRORS):
                self._screen.close()
            self._screen = None

    def status(self) -> dict[str, object]:
        """Return the area of the screen and the number of frames."""
        area = self._area
        return {
            "source": "screen",
            "monitor": self._wanted or "1",
            "size": f"{area['width']}x{area['height']}" if area else "",
            "pictures": self._index,
            "declared_fps": self._fps,
        }


def _open_screen() -> Any:
    """Return an open screen of mss. Raises `BridgeUnavailable`."""
    if sys.platform == "linux" and os.environ.get("XDG_SESSION_TYPE") == "wayland":
        raise BridgeUnavailable("Wayland shows no screen to programs. Log in to a session with Xorg")
    try:
        return mss.MSS()
    except _ERRORS as error:
        raise BridgeUnavailable(f"There is no screen: {error}") from error
