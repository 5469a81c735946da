"""`PeerProcess`: the child process that owns the connections to browsers, as the stage sees it."""

import contextlib
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Callable
from typing import IO

from io_bridges.webrtc.messages import PeerReport, PeerRequest
from presets.errors import BridgeError, BridgeUnavailable

CLOSE_SECONDS = 1.0
"""Time that the process may take to end before it is killed."""

CONNECT_SECONDS = 15.0
"""Time that a browser may take to connect after the answer."""


class PeerProcess:
    """A started process. Its reports are read on a thread of their own."""

    def __init__(self, memory: str, heard: Callable[["PeerProcess", PeerReport | None], None]) -> None:
        """Start it. Raises `BridgeUnavailable` where the system can't.

        Args:
            memory: Name of the ring of pictures in shared memory.
            heard: Gets this process and each report, and None once it has ended. It is called on the thread that reads.
        """
        self._heard = heard
        self._last_words: deque[str] = deque(maxlen=10)
        try:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "io_bridges.webrtc", memory, str(CONNECT_SECONDS)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                # A group of its own: Ctrl-C in a terminal reaches the stage alone.
                process_group=0 if sys.platform != "win32" else None,
            )
        except OSError as error:
            raise BridgeUnavailable(f"The process of WebRTC can't be started: {error.strerror or error}") from error
        threading.Thread(target=self._listen, args=(self._process.stdout,), name="webrtc", daemon=True).start()

    @property
    def pid(self) -> int:
        """Process id."""
        return self._process.pid

    def ending(self) -> str:
        """Return a phrase about how the process has ended, with its last words."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(CLOSE_SECONDS)
        status = self._process.poll()
        how = "without a status" if status is None else f"signal {-status}" if status < 0 else f"status {status}"
        last = next((line for line in reversed(self._last_words) if line.strip()), "")
        return how + (f"; its last words: {last}" if last else "")

    def send(self, request: PeerRequest) -> None:
        """Write a request, waiting while the process does not read. Raises `BridgeError` if it has ended."""
        try:
            if self._process.stdin is not None:
                self._process.stdin.write(request.encode())
                self._process.stdin.flush()
        except (OSError, ValueError) as error:
            raise BridgeError("The process of WebRTC has ended.") from error

    def close(self) -> None:
        """Kill the process. It holds nothing that needs an end."""
        self._process.kill()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(CLOSE_SECONDS)
        with contextlib.suppress(OSError, ValueError):
            if self._process.stdin is not None:
                self._process.stdin.close()

    def _listen(self, stream: IO[bytes] | None) -> None:
        if stream is None:
            return
        with stream:
            while line := stream.readline(64 * 1024):
                report = PeerReport.decode(line)
                if report is None:
                    self._last_words.append(line.decode(errors="replace").rstrip())
                else:
                    self._heard(self, report)
        self._heard(self, None)
