"""The process of a window: shows the newest picture of a ring in shared memory. It ends with its standard input.

``python -m io_bridges.window SETTINGS``, which `WindowProcess` calls. It writes reports to its standard output.
"""

import contextlib
import os
import signal
import sys
import threading
import time

from io_bridges.shared_memory.segment import remove
from io_bridges.shared_memory.source import SharedMemorySource
from io_bridges.window.messages import WindowReport, WindowSettings
from io_bridges.window.screen import Screen
from presets.errors import BridgeError

REPORT_SECONDS = 1.0
LAST_SECONDS = 2.0
"""Time that the window may take to close after the standard input has ended."""

_LOOK_SECONDS = 0.01
"""Longest wait for a picture. Keys are answered in between."""


class Reporter(threading.Thread):
    """Writes the newest report every second if the window's loop has gone on. Only it waits for a stalled stage."""

    def __init__(self) -> None:
        super().__init__(name="reports", daemon=True)
        self.newest: WindowReport | None = None

    def run(self) -> None:
        """Write reports until the stage is gone."""
        with contextlib.suppress(OSError):
            while True:
                report, self.newest = self.newest, None
                if report is not None:
                    write(report)
                time.sleep(REPORT_SECONDS)


def write(report: WindowReport) -> None:
    """Write one report. Raises `OSError` if the stage is gone."""
    os.write(1, report.encode())


def await_end(ending: threading.Event, memory: str) -> None:
    """Set `ending` when standard input ends. Exit if the window does not close then."""
    with contextlib.suppress(OSError):
        while os.read(0, 4096):
            pass
    ending.set()
    time.sleep(LAST_SECONDS)
    remove(memory)
    os._exit(0)


def show(settings: WindowSettings, ending: threading.Event) -> None:
    """Show pictures until `ending` is set or the user closes the window. Raises `BridgeError`."""
    screen = Screen(settings)
    reporter = Reporter()
    source = SharedMemorySource(settings.memory, copy=screen.take)
    source.open()
    screen.refresh()
    write(screen.report())
    reporter.start()
    while not ending.is_set():
        if not screen.handle_events():
            write(WindowReport("closed"))
            break
        if source.read(_LOOK_SECONDS) is not None:
            screen.draw()
        screen.refresh()
        reporter.newest = screen.report()
    screen.close()


def main() -> None:
    """Run one window."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the stage, which closes the window.
    settings = WindowSettings.decode(sys.argv[1])
    ending = threading.Event()
    threading.Thread(target=await_end, args=(ending, settings.memory), name="end", daemon=True).start()
    with contextlib.suppress(OSError):  # the stage is gone
        try:
            show(settings, ending)
        except BridgeError as error:
            write(WindowReport("failed", str(error)))
    if ending.is_set():
        remove(settings.memory)  # A stage that was killed leaves it.
    sys.stdout.flush()
    os._exit(0)


if __name__ == "__main__":
    main()
