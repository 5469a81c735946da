"""`WindowProcess`: the child process that owns a window, as the stage sees it."""

import contextlib
import subprocess
import sys
import threading
from collections import deque
from typing import IO

from io_bridges.window.messages import WindowReport, WindowSettings
from presets.errors import BridgeError, BridgeUnavailable

CLOSE_SECONDS = 1.0
"""Time that a window may take to close before its process is killed."""


class WindowProcess:
    """A started process. Reports are read on a thread of their own, so that no call waits for the window."""

    def __init__(self, settings: WindowSettings) -> None:
        """Start the process. Raises `BridgeUnavailable` where the system can't."""
        self.report = WindowReport()
        self.reports = 0
        """Number of reports so far."""
        self._last_words: deque[str] = deque(maxlen=10)
        self._heard = threading.Event()
        try:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "io_bridges.window", settings.encode()],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                # A group of its own: Ctrl-C in a terminal reaches the stage alone, which closes the window.
                process_group=0 if sys.platform != "win32" else None,
            )
        except OSError as error:
            raise BridgeUnavailable(f"The window's process can't be started: {error.strerror or error}") from error
        self._listener = threading.Thread(target=self._listen, args=(self._process.stdout,), name="window", daemon=True)
        self._listener.start()

    @property
    def pid(self) -> int:
        """Process id."""
        return self._process.pid

    def wait(self, seconds: float) -> WindowReport:
        """Return the first report, or one with the state ``starting`` if none comes in time."""
        self._heard.wait(seconds)
        return self.report

    def check(self) -> WindowReport:
        """Return the newest report. Raises `BridgeError` if the window has failed or its process is gone."""
        status = self._process.poll()
        if status is not None:
            self._listener.join(CLOSE_SECONDS)
        report = self.report
        if report.state == "failed":
            raise BridgeError(report.text)
        if status is None or report.state == "closed":
            return report
        how = f"signal {-status}" if status < 0 else f"status {status}"
        last = next((line for line in reversed(self._last_words) if line.strip()), "")
        raise BridgeError(f"The window's process ended with {how}" + (f"; its last words: {last}" if last else ""))

    def close(self) -> None:
        """Let the window close, or kill its process."""
        with contextlib.suppress(OSError):
            if self._process.stdin is not None:
                self._process.stdin.close()
        for seconds in (CLOSE_SECONDS, CLOSE_SECONDS):
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(seconds)
                return
            self._process.kill()

    def _listen(self, stream: IO[bytes] | None) -> None:
        if stream is None:
            return
        with stream:
            while line := stream.readline(4096):
                report = WindowReport.decode(line)
                if report is None:
                    self._last_words.append(line.decode(errors="replace").rstrip())
                    continue
                self.report = report
                self.reports += 1
                self._heard.set()
        self._heard.set()
