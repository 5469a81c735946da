"""`Screen`: the window, its keys, and the picture in it. SDL wants all of it on the main thread of a process."""

import ctypes
from typing import Any

import numpy as np

from io_bridges.frames import Pixels
from io_bridges.lazy_imports import opencv
from io_bridges.pixels import Format, Origin
from io_bridges.window.messages import WindowReport, WindowSettings
from io_bridges.window.placement import Display, choose_display, place_picture, plain_size
from io_bridges.window.sdl import displays, sdl, sdl_error
from presets.errors import BridgeError, BridgeUnavailable

_CENTERED_ON_DISPLAY = 0x2FFF0000
_TITLE = b"streamflow-live"


class Screen:
    """An open window. Escape and q leave full screen; f, F11 and a double click enter it again."""

    def __init__(self, settings: WindowSettings) -> None:
        """Open the window, black. Raises `BridgeUnavailable` without a display, or without the one that is wanted."""
        self._sdl = sdl()
        display, self.fullscreen = choose_display(displays(), settings.display, settings.fullscreen)
        self._display = display.number - 1
        self._size = (settings.width, settings.height)
        self._fit = settings.fit
        self._staging: Pixels = np.zeros((settings.height, settings.width, 4), np.uint8)
        self._address = ctypes.c_void_p(self._staging.ctypes.data)
        self._event = self._sdl.SDL_Event()
        self._target = self._sdl.SDL_Rect()
        self._output = (ctypes.c_int(), ctypes.c_int())
        self._shown = 0
        self._damaged = True
        self._window = self._open(display)
        self._renderer, self._vsync = self._make_renderer()
        self._texture = self._make_texture()
        self._show_cursor()

    def take(self, shared: Pixels, format: Format, origin: Origin, flip: bool) -> Pixels:
        """Convert a picture out of shared memory into the memory that `draw` shows, and return that memory."""
        if shared.shape != (*self._staging.shape[:2], 3) or (format, origin, flip) != ("rgb", "top-left", False):
            raise BridgeError("The shared memory of the window holds a picture of another kind")
        opencv().cvtColor(shared, opencv().COLOR_RGB2BGRA, dst=self._staging)
        return self._staging

    def draw(self) -> None:
        """Show the picture that `take` converted, at the next refresh of the display. Raises `BridgeError`."""
        module = self._sdl
        if module.SDL_UpdateTexture(self._texture, None, self._address, self._staging.strides[0]):
            raise BridgeError(f"The window cannot show a picture: {sdl_error(module)}")
        module.SDL_GetRendererOutputSize(self._renderer, *self._output)
        target = self._target
        target.x, target.y, target.w, target.h = place_picture(self._size, self._pixels(), self._fit)
        module.SDL_RenderClear(self._renderer)
        module.SDL_RenderCopy(self._renderer, self._texture, None, target)
        module.SDL_RenderPresent(self._renderer)
        self._damaged = False
        self._shown += 1

    def refresh(self) -> None:
        """Draw the same picture again if the window was covered, resized or lost its texture."""
        if self._damaged:
            self.draw()

    def handle_events(self) -> bool:
        """Handle keys, the mouse and the system's notices. Return False if the user has closed the window.

        Raises `BridgeError` if the display was unplugged.
        """
        event = self._event
        while self._sdl.SDL_PollEvent(event):
            if event.type == self._sdl.SDL_QUIT:
                return False
            self._handle(event)
        return True

    def report(self) -> WindowReport:
        """Return the state of the open window."""
        place = self._sdl.SDL_GetWindowDisplayIndex(self._window)
        return WindowReport("open", "", place + 1, self.fullscreen, self._pixels(), self._shown, self._vsync)

    def close(self) -> None:
        """Close the window."""
        self._sdl.SDL_DestroyTexture(self._texture)
        self._sdl.SDL_DestroyRenderer(self._renderer)
        self._sdl.SDL_DestroyWindow(self._window)
        self._sdl.SDL_Quit()

    def _open(self, display: Display) -> Any:
        """Return a window. A full screen has its size from the start, for X servers without a window manager."""
        module = self._sdl
        size = (display.width, display.height) if self.fullscreen else plain_size(self._size, display)
        flags = module.SDL_WINDOW_RESIZABLE | module.SDL_WINDOW_ALLOW_HIGHDPI
        if self.fullscreen:
            flags |= module.SDL_WINDOW_FULLSCREEN_DESKTOP
        place = _CENTERED_ON_DISPLAY | self._display
        window = module.SDL_CreateWindow(_TITLE, place, place, *size, flags)
        if not window:
            raise BridgeUnavailable(f"A window cannot be opened here: {sdl_error(module)}")
        return window

    def _make_renderer(self) -> tuple[Any, bool]:
        module = self._sdl
        renderer = module.SDL_CreateRenderer(self._window, -1, module.SDL_RENDERER_PRESENTVSYNC)
        renderer = renderer or module.SDL_CreateRenderer(self._window, -1, module.SDL_RENDERER_SOFTWARE)
        if not renderer:
            raise BridgeUnavailable(f"A window cannot be drawn here: {sdl_error(module)}")
        module.SDL_SetRenderDrawColor(renderer, 0, 0, 0, 255)
        about = module.SDL_RendererInfo()
        module.SDL_GetRendererInfo(renderer, about)
        return renderer, bool(about.flags & module.SDL_RENDERER_PRESENTVSYNC)

    def _make_texture(self) -> Any:
        module = self._sdl
        texture = module.SDL_CreateTexture(
            self._renderer, module.SDL_PIXELFORMAT_ARGB8888, module.SDL_TEXTUREACCESS_STREAMING, *self._size
        )
        if not texture:
            raise BridgeUnavailable(
                f"A picture of {self._size[0]}x{self._size[1]} cannot be shown here: {sdl_error(module)}"
            )
        module.SDL_SetTextureBlendMode(texture, module.SDL_BLENDMODE_NONE)
        return texture

    def _handle(self, event: Any) -> None:
        module = self._sdl
        if event.type == module.SDL_KEYDOWN and not event.key.repeat:
            key = event.key.keysym.sym
            if key in (module.SDLK_ESCAPE, module.SDLK_q):
                self._set_fullscreen(False)
            elif key in (module.SDLK_f, module.SDLK_F11):
                self._set_fullscreen(not self.fullscreen)
        elif event.type == module.SDL_MOUSEBUTTONDOWN and event.button.clicks == 2:
            self._set_fullscreen(not self.fullscreen)
        elif event.type == module.SDL_RENDER_DEVICE_RESET:
            module.SDL_DestroyTexture(self._texture)
            self._texture = self._make_texture()
            self._damaged = True
        elif event.type == module.SDL_DISPLAYEVENT:
            self._follow_display(event.display)
        elif event.type in (module.SDL_WINDOWEVENT, module.SDL_RENDER_TARGETS_RESET):
            self._damaged = True

    def _follow_display(self, event: Any) -> None:
        """End the window with its display. The system would move a full screen onto the performer's own display."""
        if event.event != self._sdl.SDL_DISPLAYEVENT_DISCONNECTED or not self.fullscreen:
            return
        if event.display == self._display:
            raise BridgeError(f"Display {self._display + 1} was unplugged")
        self._display -= event.display < self._display

    def _set_fullscreen(self, wanted: bool) -> None:
        if wanted == self.fullscreen:
            return
        module = self._sdl
        if wanted:
            self._display = max(module.SDL_GetWindowDisplayIndex(self._window), 0)
        here = next((each for each in displays() if each.number == self._display + 1), displays()[0])
        if not wanted:
            module.SDL_SetWindowFullscreen(self._window, 0)
        width, height = (here.width, here.height) if wanted else plain_size(self._size, here)
        module.SDL_SetWindowSize(self._window, width, height)
        x, y = here.x + (here.width - width) // 2, here.y + (here.height - height) // 2
        module.SDL_SetWindowPosition(self._window, x, y)
        if wanted:
            module.SDL_SetWindowFullscreen(self._window, module.SDL_WINDOW_FULLSCREEN_DESKTOP)
        self.fullscreen = wanted
        self._show_cursor()
        self._damaged = True

    def _show_cursor(self) -> None:
        self._sdl.SDL_ShowCursor(self._sdl.SDL_DISABLE if self.fullscreen else self._sdl.SDL_ENABLE)

    def _pixels(self) -> tuple[int, int]:
        return self._output[0].value, self._output[1].value
