"""SDL 2, imported in the process of a window alone, and the displays that it sees."""

import functools
import importlib
import os
import warnings
from typing import Any

from io_bridges.window.placement import Display
from presets.errors import BridgeUnavailable

_HINTS = {
    "SDL_RENDER_SCALE_QUALITY": "linear",
    "SDL_VIDEO_MINIMIZE_ON_FOCUS_LOSS": "0",  # A click on the laptop's screen must not take the projector's picture.
    "SDL_VIDEO_MAC_FULLSCREEN_SPACES": "0",  # A space of its own would turn the other displays black.
    "SDL_WINDOWS_DPI_AWARENESS": "permonitorv2",
    "SDL_NO_SIGNAL_HANDLERS": "1",
    "SDL_APP_NAME": "streamflow-live",
}

_WITHOUT_SCREEN = ("offscreen", "dummy", "evdev")
"""Drivers that SDL falls back to where it finds no screen. Nobody sees their window."""


_SESSION = "Start the show in a graphical session, in which DISPLAY or WAYLAND_DISPLAY is set"


@functools.cache
def sdl() -> Any:
    """Return the module `sdl2`, started. Raises `BridgeUnavailable`, also on a machine without a screen."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # It warns that it uses the library that was installed for it.
            module = importlib.import_module("sdl2")
    except ImportError as error:
        raise BridgeUnavailable(f"SDL cannot be loaded: {error}. Run: pip install 'streamflow-live[window]'") from error
    for name, value in _HINTS.items():
        module.SDL_SetHint(name.encode(), value.encode())
    if module.SDL_Init(module.SDL_INIT_VIDEO):
        raise BridgeUnavailable(f"A window cannot be opened here: {sdl_error(module)}")
    driver = (module.SDL_GetCurrentVideoDriver() or b"").decode()
    if driver in _WITHOUT_SCREEN and driver not in os.environ.get("SDL_VIDEODRIVER", "").split(","):
        module.SDL_Quit()
        raise BridgeUnavailable(f"This machine has no display. {_SESSION}")
    module.SDL_DisableScreenSaver()
    return module


def sdl_error(module: Any) -> str:
    """Return the last error of SDL."""
    return str(module.SDL_GetError().decode(errors="replace")) or "no reason given"


def displays() -> list[Display]:
    """Return the displays of this machine, the primary one first. Raises `BridgeUnavailable`."""
    module = sdl()
    found = []
    for place in range(module.SDL_GetNumVideoDisplays()):
        bounds = module.SDL_Rect()
        if module.SDL_GetDisplayBounds(place, bounds):
            continue
        name = module.SDL_GetDisplayName(place) or b""
        found.append(Display(place + 1, name.decode(errors="replace"), bounds.x, bounds.y, bounds.w, bounds.h))
    if not found:
        raise BridgeUnavailable("This machine has no display")
    return found
