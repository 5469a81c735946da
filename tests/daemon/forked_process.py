"""`ForkedCommand`: a command of the program in a process forked from one that has imported it, as on Linux only.

Imports are most of what the start of a show costs. A forked show is a process like any other, with its own arguments,
environment, folder, output and signals. Tests of the start itself use `subprocess.Popen`.
"""

import atexit
import multiprocessing
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from multiprocessing.context import ForkServerContext
from pathlib import Path

PRELOADED = ["daemon.commands.run", "daemon.stage.stage", "uvicorn", "rich.logging"]
"""Modules that a show imports."""

CAN_FORK = sys.platform == "linux"


class ForkedCommand:
    """A running ``python -m daemon ARGUMENTS`` with the methods of `subprocess.Popen` that tests use."""

    def __init__(self, arguments: Sequence[str], log: Path) -> None:
        """Start it; both outputs go to the end of `log`."""
        context = multiprocessing.get_context("forkserver")
        assert isinstance(context, ForkServerContext)
        context.set_forkserver_preload(PRELOADED)
        self._process = context.Process(target=run, args=(list(arguments), dict(os.environ), str(Path.cwd()), str(log)))
        self._process.start()
        assert self._process.pid is not None
        self.pid = self._process.pid

    def poll(self) -> int | None:
        """Return the exit status, negative after a signal; None while it runs."""
        return self._process.exitcode

    def wait(self, timeout: float | None = None) -> int:
        """Wait for the end and return the exit status. Raises `subprocess.TimeoutExpired`."""
        self._process.join(timeout)
        status = self.poll()
        if status is None:
            raise subprocess.TimeoutExpired("streamflow-live", timeout or 0.0)
        return status

    def send_signal(self, number: signal.Signals) -> None:
        """Send a signal, if it runs."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        """Send SIGTERM."""
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """Send SIGKILL."""
        self.send_signal(signal.SIGKILL)


def run(arguments: list[str], environment: dict[str, str], folder: str, log: str) -> None:
    """Run the command in the forked process."""
    from daemon.__main__ import main

    os.environ.clear()
    os.environ.update(environment)
    os.chdir(folder)
    output = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    for descriptor in (1, 2):
        os.dup2(output, descriptor)
    os.close(output)
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(line_buffering=True)  # type: ignore[union-attr]
    signal.signal(signal.SIGINT, signal.default_int_handler)
    sys.argv = ["streamflow-live", *arguments]
    try:
        main()
    finally:
        atexit._run_exitfuncs()  # multiprocessing leaves them out, and the log writes its last lines in one
