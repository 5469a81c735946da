"""`ClusterProcess`: a renderer on another machine, with the methods of `subprocess.Popen` that a supervisor needs."""

import contextlib
import os
import subprocess
import threading
from collections.abc import Callable, Sequence
from typing import IO

GONE = -9
"""Exit status of a renderer whose machine, or the process that speaks with Ray, is gone."""


class ClusterProcess:
    """A renderer that Ray places. It is asked for and not there yet while `pid` is 0. Any thread may call it."""

    def __init__(self, name: str, kill: Callable[[str], None]) -> None:
        """`kill` is called with the name to have it ended."""
        self.name = name
        self.pid = 0
        self.node = ""
        """Node that it runs on, for people."""
        self.stdin: IO[bytes] | None = None
        reading, self._lines = os.pipe()
        self.stderr: IO[bytes] | None = os.fdopen(reading, "rb")
        self._kill = kill
        self._status: int | None = None
        self._ended = threading.Condition()

    def started(self, node: str, pid: int) -> None:
        """Take the place of the process."""
        self.node, self.pid = node, pid

    def ended(self, status: int, lines: Sequence[str]) -> None:
        """Take the exit status and the last lines of its standard error."""
        with self._ended:
            if self._status is not None:
                return
            with contextlib.suppress(OSError):
                os.set_blocking(self._lines, False)  # its reader may be gone
                os.write(self._lines, ("\n".join(lines) + "\n").encode(errors="replace"))
            os.close(self._lines)
            self._status = status
            self._ended.notify_all()

    def poll(self) -> int | None:
        """Return the exit status; None while it runs."""
        return self._status

    def wait(self, timeout: float) -> int:
        """Wait for the end. Raises `subprocess.TimeoutExpired` after `timeout` seconds."""
        with self._ended:
            self._ended.wait_for(lambda: self._status is not None, timeout)
        if self._status is None:
            raise subprocess.TimeoutExpired(self.name, timeout)
        return self._status

    def kill(self) -> None:
        """Have it ended. It counts as ended from now on: its machine may be gone, and the show must not wait for it."""
        self._kill(self.name)
        self.ended(GONE, [])
