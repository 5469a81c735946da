"""`RendererProcess`: one renderer as a child process. It is started, watched by its own progress, and ended."""

import logging
import signal
import subprocess
import threading
from collections import deque
from collections.abc import Mapping
from typing import IO, NamedTuple

import psutil

from daemon.link.messages import FailureKind, Phase
from daemon.link.renderer_report import RendererReport
from daemon.link.server import LinkServer
from daemon.shared.clock import NS, Clock
from daemon.supervision.cluster_start import ClusterStarter
from daemon.supervision.process_start import ProcessHandle, ProcessStarter
from presets.build import Build
from presets.errors import RendererError

log = logging.getLogger("stage.renderer")

SILENCE: Mapping[Phase, float] = {
    "starting": 60.0,
    "loading": 180.0,
    "building": 600.0,  # compiling an engine is one call of minutes
    "verifying": 30.0,  # a network that needs longer for a call can't be played
    "playing": 10.0,  # a playing renderer asks ten times a second or more
}
"""Seconds without a message after which a renderer counts as stuck, by its phase."""

STALL, STALLED_CALLS = 0.4, 5
"""Seconds and network calls without a message after which an understudy takes the place of a renderer."""

NICENESS = 10
"""Niceness of a renderer on the processor. The stage has 0."""

BEHIND = 5
"""Niceness that an understudy adds to that of the renderer on air, which draws while it loads."""

LONGEST_DYING = 5.0
"""Seconds to wait for a killed process to be gone."""

LAST_MESSAGE = 0.2 * NS
"""Nanoseconds to wait for the last message of a process that exited by itself."""

FROM_OUTSIDE = {getattr(signal, name, None) for name in ("SIGHUP", "SIGINT", "SIGKILL", "SIGQUIT", "SIGTERM")} - {None}
"""Signals that a person, a service manager or the kernel sends. A crash in native code has others."""


class Ending(NamedTuple):
    """End of a renderer that was not asked for."""

    reason: str
    """For a person."""
    kind: FailureKind
    """Remedy."""
    phase: Phase
    """Phase it ended in."""
    is_kill: bool
    """True for a signal from outside, which says nothing of the build."""


class RendererProcess:
    """A started renderer. Any thread may read; the supervisor's alone calls `end`."""

    def __init__(
        self,
        build: Build,
        link: LinkServer,
        clock: Clock,
        starter: ProcessStarter | ClusterStarter,
        silence: Mapping[Phase, float] = SILENCE,
        beside: "RendererProcess | None" = None,
        gpu: str = "",
    ) -> None:
        """Start the process. Raises `RendererError` where the system can't.

        Args:
            build: Model, size and limits.
            link: Where it reports.
            clock: Time of its budgets.
            starter: Starts the process.
            silence: See `SILENCE`.
            beside: Renderer on air that this one is the understudy of: it waits to be released, and computes behind it.
            gpu: GPU that it sees, as CUDA names it; empty for all of the machine.
        """
        self.build = build
        self.gpu = gpu
        self.niceness: int = NICENESS if beside is None else min(beside.niceness + BEHIND, 19)
        self._silence = silence
        self._starter = starter
        self._clock = clock
        self._link = link
        self.report: RendererReport = link.expect(build)
        self.report.is_held = beside is not None
        self.started_at = clock.now()
        self._exited_at = 0
        self.last_words: deque[str] = deque(maxlen=20)
        """Last lines of its standard error."""
        try:
            self._process: ProcessHandle = starter.start(build, link.endpoint, self.niceness, self.report.token, gpu)
        except OSError as error:  # the system has no process, memory or file left
            link.forget(self.report)
            raise RendererError(f"A renderer can't be started: {error.strerror or error}.") from error
        threading.Thread(target=self._listen, args=(self._process.stderr,), name="renderer-log", daemon=True).start()

    @property
    def pid(self) -> int:
        """Process id of the renderer; 0 until the fork server has started it."""
        return self._process.pid

    @property
    def is_running(self) -> bool:
        """True until its process has ended."""
        return self._process.poll() is None

    @property
    def is_local(self) -> bool:
        """True if it runs on this machine."""
        return self._starter.is_local

    @property
    def place(self) -> str:
        """Device or machine that it was given, for people; empty for this machine's only one."""
        return f"GPU {self.gpu}" if self.gpu else self._starter.place_of(self._process)

    @property
    def delivers(self) -> bool:
        """True once a picture of it has come."""
        return self.report.deliveries.delivered > 0

    @property
    def is_loaded(self) -> bool:
        """True once its model can draw."""
        return self.report.progress.phase == "playing"

    @property
    def memory(self) -> int:
        """Resident bytes of the process, 0 if it is gone or on another machine."""
        try:
            return int(psutil.Process(self.pid).memory_info().rss) if self.pid and self.is_local else 0
        except psutil.Error:
            return 0

    def release(self) -> None:
        """Let it draw, if it is an understudy."""
        self._link.release(self.report)

    def seems_stuck(self) -> bool:
        """Return True if it plays and has said nothing for much longer than a network call takes."""
        patience = STALL + STALLED_CALLS * self.report.deliveries.call.seconds
        return self.is_loaded and self._clock.now() - self.report.heard_at > patience * NS

    def ending(self) -> Ending | None:
        """Return why this renderer is lost; None while it is not."""
        phase, failure, status = self.report.progress.phase, self.report.failure, self._process.poll()
        now = self._clock.now()
        if failure is not None:
            return Ending(failure.text, failure.kind, phase, False)
        if status is not None and status < 0:
            reason = f"it ended with signal {-status} while {phase}{self._said()}"
            if -status not in FROM_OUTSIDE:
                self._starter.distrust(reason)
            return Ending(reason, "other", phase, -status in FROM_OUTSIDE)
        if status is not None:
            self._exited_at = self._exited_at or now
            if now - self._exited_at < LAST_MESSAGE:
                return None
            reason = f"it ended with status {status} while {phase}{self._said()}"
            self._starter.distrust(reason)
            return Ending(reason, "other", phase, False)
        silent = (now - self.report.heard_at) / NS
        if silent <= self._silence[phase]:
            return None
        work = f": {self.report.progress.text}" if self.report.progress.text else ""
        kind: FailureKind = "look" if phase == "verifying" else "other"
        return Ending(f"it has said nothing for {silent:.0f} s while {phase}{work}", kind, phase, False)

    def end(self, grace: float = 0.0) -> None:
        """Let it end by itself for `grace` seconds, then kill it: only its death is sure to free GPU memory."""
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
                log.error("Renderer %d does not die. It is left behind.", self.pid)

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
