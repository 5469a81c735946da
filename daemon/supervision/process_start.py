"""`ProcessStarter`: starts renderer processes, forked from one that has the libraries where the system allows it."""

import logging
import os
import signal
import subprocess
import sys
from typing import IO, Protocol

from daemon.link.client import TOKEN_VARIABLE
from daemon.supervision.fork_server import ForkServer
from daemon.supervision.gpu_choice import GpuChoice
from presets.build import Build
from presets.model_store import is_echo

log = logging.getLogger("stage.renderer")

CAN_FORK = sys.platform == "linux" and hasattr(os, "pidfd_open") and hasattr(signal, "pidfd_send_signal")
"""True on systems where a process that has loaded torch may be forked, and be watched by one that is no parent."""


class ProcessHandle(Protocol):
    """Methods of `subprocess.Popen` that a supervisor needs."""

    @property
    def pid(self) -> int:
        """Process id; 0 until the process is there."""

    @property
    def stdin(self) -> IO[bytes] | None:
        """Write end of its standard input. It ends when this closes."""

    @property
    def stderr(self) -> IO[bytes] | None:
        """Read end of its standard error."""

    def poll(self) -> int | None:
        """Return the exit status, negative after a signal; None while it runs."""

    def wait(self, timeout: float) -> int:
        """Wait for the end. Raises `subprocess.TimeoutExpired`."""

    def kill(self) -> None:
        """Send SIGKILL, or what the system has for it."""


class ProcessStarter:
    """Starts the processes of renderers. One thread only."""

    is_local = True

    def __init__(self, can_fork: bool = CAN_FORK) -> None:
        self._can_fork = can_fork
        self._server: ForkServer | None = None

    def start(self, build: Build, endpoint: str, niceness: int, token: str, gpu: str = "") -> ProcessHandle:
        """Start the renderer of a build, on one GPU if it is named. Raises `OSError` where the system can't."""
        environment = {TOKEN_VARIABLE: token, **GpuChoice.environment(gpu)}
        arguments = ["--endpoint", endpoint, "--niceness", str(niceness), "--build", build.encode()]
        if not is_echo(build.model) and self._can_fork:
            try:
                if server := self._fork_server():
                    return server.fork(arguments, environment)
            except OSError as error:
                log.warning(
                    "The fork server does not answer: %s. A renderer starts without it.", error.strerror or error
                )
        return subprocess.Popen(
            [sys.executable, "-m", "daemon.renderer", *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            env=os.environ | environment,
            # A group of its own: Ctrl-C in a terminal reaches the stage alone, and it stops things in order.
            process_group=0 if sys.platform != "win32" else None,
        )

    def place_of(self, process: ProcessHandle) -> str:
        """Return the machine of a renderer, for people: empty for this one."""
        return ""

    def distrust(self, reason: str) -> None:
        """Fork no more: a driver or a library may not bear it."""
        if self._can_fork:
            log.info("Renderers are started without the fork server from now on: %s.", reason)
        self._can_fork = False

    def close(self) -> None:
        """End the fork server."""
        if self._server is not None:
            self._server.close()

    def _fork_server(self) -> ForkServer | None:
        """Return a server that runs, or None if the last one ended before its first renderer."""
        if self._server is None or not self._server.is_alive:
            if self._server is not None and not self._server.has_forked:
                self.distrust("it ended before its first renderer")
                return None
            self._server = ForkServer()
        return self._server
