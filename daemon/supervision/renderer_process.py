"""`RendererProcess`: one renderer as a child process: started, watched by its own progress, ended for certain."""

import logging
import os
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Mapping
from typing import IO

from daemon.link.client import TOKEN_VARIABLE
from daemon.link.messages import FailureKind, Phase
from daemon.link.renderer_report import RendererReport
from daemon.link.server import LinkServer
from daemon.shared.clock import NS, Clock
from presets.build import Build
from presets.errors import RendererError

log = logging.getLogger("stage.renderer")

SILENCE: Mapping[Phase, float] = {"starting": 60.0, "loading": 180.0, "building": 600.0, "playing": 10.0}
"""Seconds without a word before a renderer counts as stuck, by the phase it said it was in.

Compiling an engine is one call of minutes; a playing renderer asks at least ten times a second, or steps.
"""

LONGEST_DYING = 5.0
"""Seconds that a killed process has to be gone."""


class RendererProcess:
    """A started renderer. Any thread may look; the supervisor's alone ends it."""

    def __init__(self, build: Build, link: LinkServer, clock: Clock, silence: Mapping[Phase, float] = SILENCE) -> None:
        """Starts it. Raises `RendererError` where the system can't."""
        self.build = build
        self._silence = silence
        self._clock = clock
        self._link = link
        self.report: RendererReport = link.expect()
        self.started_at = clock.now()
        self.last_words: deque[str] = deque(maxlen=20)
        command = [sys.executable, "-m", "daemon.renderer"]
        command += ["--endpoint", link.endpoint, "--build", build.encode()]
        try:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                env=os.environ | {TOKEN_VARIABLE: self.report.token},
                # A group of its own: Ctrl-C in a terminal reaches the stage alone, and it stops things in order.
                process_group=0 if sys.platform != "win32" else None,
            )
        except OSError as error:  # no process, memory or file is left for it
            link.forget(self.report)
            raise RendererError(f"a renderer can't be started: {error.strerror or error}") from error
        threading.Thread(target=self._listen, args=(self._process.stderr,), name="renderer-log", daemon=True).start()

    @property
    def pid(self) -> int:
        """Of the child process."""
        return self._process.pid

    @property
    def delivers(self) -> bool:
        """True once a picture of it has come."""
        return self.report.deliveries.delivered > 0

    @property
    def failure_kind(self) -> FailureKind:
        """Remedy of the failure that it reported; other where it reported none."""
        return "other" if self.report.failure is None else self.report.failure.kind

    def verdict(self) -> str:
        """Why this renderer is lost, in words; empty while it is not."""
        if self.report.failure is not None:
            return self.report.failure.text
        status = self._process.poll()
        if status is not None:
            return f"it ended with {_status(status)}{self._said()}"
        silent = (self._clock.now() - self.report.heard_at) / NS
        if silent > self._silence[self.report.progress.phase]:
            return f"it has said nothing for {silent:.0f} s while {self.report.progress.phase}"
        return ""

    def end(self, grace: float = 0.0) -> None:
        """Let it go by itself for `grace` seconds, then kill it: only its death gives GPU memory back for certain."""
        self._link.forget(self.report)
        if self._process.stdin is not None:
            self._process.stdin.close()
        try:
            self._process.wait(grace)
        except subprocess.TimeoutExpired:
            self._process.kill()
            try:
                self._process.wait(LONGEST_DYING)
            except subprocess.TimeoutExpired:
                # Stuck within the kernel, as a driver can be. The show must not wait for it.
                log.error("renderer %d does not die; it is left behind", self.pid)

    def _listen(self, stream: IO[bytes] | None) -> None:
        if stream is None:
            return
        with stream:
            while line := stream.readline(4096):
                text = line.decode(errors="replace").rstrip()
                self.last_words.append(text)
                log.debug("renderer %d: %s", self.pid, text)

    def _said(self) -> str:
        last = next((line for line in reversed(self.last_words) if line.strip()), "")
        return f"; its last words: {last}" if last else ""


def _status(status: int) -> str:
    return f"signal {-status}" if status < 0 else f"status {status}"
