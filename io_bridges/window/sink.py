"""``window:`` sink: the output in a window of this machine, in full screen on a projector."""

import logging
import secrets

import numpy as np

from io_bridges.frames import RenderedFrame, Tick
from io_bridges.lazy_imports import missing_extra
from io_bridges.shared_memory.ring_writer import RingWriter
from io_bridges.window.messages import Fit, WindowSettings
from io_bridges.window.process import WindowProcess
from presets.errors import BridgeError, BridgeUnavailable

START_SECONDS = 3.0
"""Longest wait of `WindowSink.open` for the window. A window that takes longer opens while the show plays."""

HUNG_SECONDS = 15.0
"""A window that has not reported for so long is opened again. Dragging it stops its reports on some systems."""

_NS = 1_000_000_000
_SUSPENDED_NS = _NS // 2
"""Time between two ticks from which on the show was suspended, which must not look like a hung window."""

_log = logging.getLogger(__name__)


class WindowSink:
    """A sink whose window lives in a process of its own, fed through shared memory. No write waits for the window.

    A window that the user closes stays closed, and the sink drops its frames.
    """

    def __init__(
        self, location: str = "", display: int | None = None, fullscreen: bool | None = None, fit: Fit = "fit"
    ) -> None:
        """Set the number of the display from 1, and how the picture fits. Raises `BridgeUnavailable` without SDL."""
        reason = missing_extra("sdl2", "window")
        if reason:
            raise BridgeUnavailable(reason)
        self._display, self._fullscreen, self._fit = display, fullscreen, fit
        self._process: WindowProcess | None = None
        self._writer: RingWriter | None = None
        self._is_closed = False
        self._reports = self._silent = self._last_at = 0
        self._period = 0
        self._written = 0

    def open(self, width: int, height: int, fps: float) -> None:
        """Open the window unless the user has closed it. Raises `BridgeUnavailable`."""
        self.close()
        if self._is_closed:
            return
        self._period = round(_NS / fps)
        memory = f"window-{secrets.token_hex(8)}"
        self._writer = RingWriter(memory, width, height)
        settings = WindowSettings(memory, width, height, self._display, self._fullscreen, self._fit)
        self._process = WindowProcess(settings)
        self._reports = self._silent = self._last_at = 0
        self._process.wait(START_SECONDS)
        try:
            self._process.check()
        except BridgeError as error:
            raise BridgeUnavailable(str(error)) from error

    def write(self, frame: RenderedFrame, tick: Tick) -> None:
        """Hand one frame to the window. Raises `BridgeError` if its process died or has hung for long."""
        if self._is_closed:
            return
        if self._writer is None or self._process is None:
            raise BridgeError("window: was written to before it was open")
        report = self._process.check()
        if report.state == "closed":
            self._is_closed = True
            _log.info("the output window was closed; the show goes on")
            self.close()
            return
        if self._display is None and report.fullscreen:
            self._display = report.display  # A projector that is unplugged and comes back gets its window back.
        self._watch(self._process.reports, tick.at)
        self._writer.write(np.ascontiguousarray(frame.host_pixels()), frame.index, frame.captured_at)
        self._written += 1

    def close(self) -> None:
        """Close the window and remove the memory."""
        process, self._process = self._process, None
        if process is not None:
            process.close()
        writer, self._writer = self._writer, None
        if writer is not None:
            writer.close()

    def status(self) -> dict[str, object]:
        """Return the window's state, display and size, the number of pictures written, and of those it has drawn."""
        process = self._process
        status: dict[str, object] = {"sink": "window", "window": "closed", "pictures": self._written, "stopped": ""}
        if self._is_closed:
            return status | {"stopped": "the window was closed"}
        if process is None:
            return status
        report = process.report
        window = "full screen" if report.fullscreen else report.state
        size = f"{report.size[0]}x{report.size[1]}"
        about = {"display": report.display, "size": size, "shown": report.shown, "vsync": report.vsync}
        return status | {"window": window} | about

    def _watch(self, reports: int, at: int) -> None:
        """Sum the time of the ticks without a report. The rate of the ticks may change while the window is open."""
        passed, self._last_at = at - self._last_at, at
        self._silent += passed if 0 < passed < _SUSPENDED_NS else self._period
        if reports != self._reports:
            self._reports, self._silent = reports, 0
        if self._silent > HUNG_SECONDS * _NS:
            raise BridgeError(f"The window has not responded for {HUNG_SECONDS:.0f} s")
