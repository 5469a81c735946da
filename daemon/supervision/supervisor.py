"""`Supervisor`: keeps a renderer playing. Start, restart, model swap and accelerator swap are one mechanism.

A wanted build that is not on air is started as a second renderer; once it delivers a picture, the stage switches to it
and ends the old one. A renderer that dies or falls silent is replaced by another of the same build. Where nothing is on
air and the wanted build says that it takes long, the accelerator that it names plays meanwhile.
"""

import logging
import threading
from collections.abc import Callable, Mapping
from typing import Any

from daemon.link.messages import Phase
from daemon.link.renderer_report import RendererReport
from daemon.link.server import LinkServer
from daemon.shared.clock import NS, Clock
from daemon.shared.threads import restart_on_crash
from daemon.supervision.build_attempts import HOPELESS, BuildAttempts
from daemon.supervision.renderer_process import SILENCE, RendererProcess
from daemon.supervision.renderer_status import described, meanwhile, too_short_for_both
from presets.build import Build
from presets.errors import RendererError

log = logging.getLogger("stage.supervisor")

LONGEST_BACK_OFF = 10.0
NEXT_HOPE = 60.0
"""Seconds until what was given up is tried again where nothing else may play: a disk or a cable may come back."""
SETTLE = 0.3
"""Seconds a wanted build must stand before it is started: two numbers of a size are two messages."""
STAND_IN_AFTER = 10.0
"""Seconds that a build which says it takes long has to itself: a stand-in would only slow one down that is nearly
there."""


class Supervisor:
    """Its thread looks at the renderers twenty times a second; nothing else starts or ends one."""

    def __init__(
        self,
        link: LinkServer,
        clock: Clock,
        wanted: Callable[[], Build],
        go_back: Callable[[Build, str], None],
        tell: Callable[[str, float], None],
        silence: Mapping[Phase, float] = SILENCE,
        stand_in_after: float = STAND_IN_AFTER,
    ) -> None:
        """`go_back` puts a build back into the parameters, with the reason; `tell` shows progress on the slate.

        `silence` is how many seconds without a word a renderer may take in each phase.
        """
        self._link = link
        self._clock = clock
        self._wanted = wanted
        self._go_back = go_back
        self._tell = tell
        self._silence = silence
        self._stand_in_after = round(stand_in_after * NS)
        self._on_air: RendererProcess | None = None
        self._candidate: RendererProcess | None = None
        self._stand_in: RendererProcess | None = None
        """On its way to be on air until the candidate is."""
        self._alone: Build | None = None
        """What is built with no renderer beside it: for two the memory is too short, or the stand-in failed."""
        self._delivered: Build | None = None
        self._tries = BuildAttempts()
        self._target: Build | None = None
        self._deaths = 0
        self._next_start = 0
        self._wanted_since = 0
        self._stopping = threading.Event()
        watch = restart_on_crash("the supervisor", self._run, self._stopping.is_set)
        self._thread = threading.Thread(target=watch, name="supervisor", daemon=True)
        self.restarts = 0
        self.last_failure = ""

    def start(self) -> None:
        """Begin; the first renderer is started at once."""
        self._thread.start()

    def stop(self) -> None:
        """End all renderers."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join(5.0)
        for renderer in (self._candidate, self._stand_in, self._on_air):
            if renderer is not None:
                renderer.end(grace=0.5)

    def is_on_air(self, report: RendererReport) -> bool:
        """Whether a picture of this renderer belongs on air. The first one of a candidate is what switches to it."""
        candidate, playing = self._candidate, self._on_air or self._stand_in
        if candidate is not None and (report is candidate.report or candidate.delivers):
            return report is candidate.report
        return playing is not None and report is playing.report

    def status(self) -> dict[str, Any]:
        """Of the renderer on air, or else of the one on its way."""
        candidate, on_air = self._candidate, self._on_air
        status: dict[str, Any] = {"restarts": self.restarts, "failure": self.last_failure}
        shown = on_air or candidate
        if shown is None:
            return status | {"phase": "down", "text": self._tries.reason, "fraction": 0.0, "pid": 0}
        status |= described(shown)
        if on_air is not None:
            status["why"] = self._tries.in_place_of(on_air.build) or status.get("why", "")
        if on_air is not None and candidate is not None:
            coming, takes_long = candidate.report.progress, candidate.report.takes_long
            if takes_long is not None and on_air.build == _stands_in_for(candidate):
                status["why"] = f"until {takes_long.accelerator} is built"
            status["next"] = {"build": str(candidate.build), "phase": coming.phase, "fraction": coming.fraction}
            status["meanwhile"] = meanwhile(on_air, candidate)
        return status

    def _run(self) -> None:
        looked = self._clock.now()
        while not self._stopping.wait(0.05):
            now = self._clock.now()
            if now - looked > NS:
                # It was this process that stood still (Ctrl-Z and fg, a closed lid): it has not listened either.
                for renderer in (self._candidate, self._stand_in, self._on_air):
                    if renderer is not None:
                        renderer.report.heard_at = now
            looked = now
            self.look()

    def look(self) -> None:
        """One round: bury the dead, promote what delivers, start what is wanted."""
        self._watch_on_air()
        self._watch_candidate()
        self._start_what_is_wanted()
        self._watch_stand_in()
        self._start_a_stand_in()
        if self._on_air is None and self._candidate is not None:
            # A reason stands until a picture comes: another try that begins does not take it away.
            self._tell(
                self._tries.reason or self._candidate.report.progress.text or "starting",
                self._candidate.report.progress.fraction,
            )

    def _watch_on_air(self) -> None:
        if self._on_air is None:
            return
        verdict = self._on_air.verdict()
        if verdict:
            log.error("the renderer is lost: %s; the picture on air is held, another one starts", verdict)
            self.last_failure = verdict
            self.restarts += 1
            lost, candidate = self._on_air, self._candidate
            lost.end()
            self._on_air = None
            # At once after a good life; a renderer that dies young and often is started ever more slowly.
            self._deaths = 0 if self._clock.now() - lost.started_at > 30 * NS else self._deaths + 1
            self._wait_before_next()
            if candidate is None or lost.failure_kind != "memory":
                return
            if lost.build.draws_as(candidate.build):
                candidate.end()
                self._candidate = None
                self._failed(candidate, too_short_for_both(lost, candidate, verdict), disturbs=True)
            else:
                self._alone = candidate.build
                log.error("memory is too short for two renderers: %s has it to itself", candidate.build)

    def _watch_candidate(self) -> None:
        candidate = self._candidate
        if candidate is None:
            return
        if candidate.delivers:
            old, self._on_air, self._candidate = self._on_air, candidate, None
            self._delivered = candidate.build
            self._deaths = 0 if old is not None else self._deaths
            self._tries.succeeded(candidate.build)
            said = candidate.report.description.values
            why = self._tries.in_place_of(candidate.build) or said.get("why", "")
            log.info("on air: %s (%s; %s)", candidate.build, why, said.get("forward", ""))
            if old is not None:
                old.end(grace=0.2)
            return
        verdict = candidate.verdict()
        if verdict:
            candidate.end()
            self._candidate = None
            short, on_air = candidate.failure_kind == "memory", self._on_air
            if short and on_air is not None and on_air.build.draws_as(candidate.build):
                self._failed(candidate, too_short_for_both(on_air, candidate, verdict), disturbs=True)
            elif not short or not self._makes_room(candidate.build):
                self._failed(candidate, verdict)

    def _failed(self, candidate: RendererProcess, reason: str, disturbs: bool = False) -> None:
        """Acts on a candidate that gave no picture: another try, another in its place, or what played before."""
        log.error("the renderer for %s gave no picture: %s", candidate.build, reason)
        self.last_failure = reason
        self._deaths += 1
        given_up = self._tries.failed(candidate.build, reason, candidate.failure_kind, disturbs)
        if self._on_air is None:
            self._tell(reason, 0.0)
        if not given_up or not self._tries.hopeless:
            self._wait_before_next()
            if given_up:
                log.error("in place of %s, as the look allows, comes %s", candidate.build, self._tries.target)
        elif self._delivered is not None and self._delivered != self._tries.wanted:
            self._deaths = 0
            self._go_back(self._delivered, reason)
        else:
            self._wait_before_next()
            if candidate.failure_kind in HOPELESS:
                self._next_start = self._clock.now() + round(NEXT_HOPE * NS)
                log.error("nothing else may play in its place; it is tried again in %.0f s", NEXT_HOPE)

    def _makes_room(self, build: Build) -> bool:
        """Ends what plays beside a build that the memory did not suffice for; False where nothing did.

        On air that is another picture, of another model or size: what was asked for can come in no other way.
        """
        others = [renderer for renderer in (self._on_air, self._stand_in) if renderer is not None]
        if not others:
            return False
        self._on_air = self._stand_in = None
        self._alone = build
        for renderer in others:
            log.error("memory is too short for %s beside %s, which yields; the picture is held", build, renderer.build)
            renderer.end(grace=0.2)
        return True

    def _start_what_is_wanted(self) -> None:
        now = self._clock.now()
        first = self._tries.wanted is None
        if self._tries.want(self._wanted()):
            self._wanted_since = now - (NS if first else 0)
        target = self._tries.target
        if target is None or now - self._wanted_since < SETTLE * NS:
            return
        if target != self._target:
            self._target, self._next_start = target, now
        if self._candidate is not None and self._candidate.build != target:
            self._candidate.end()
            self._candidate = None
            if self._stand_in is not None and self._stand_in.build == target:
                self._candidate, self._stand_in = self._stand_in, None
        there = self._candidate or self._on_air
        if (there is None or there.build != target) and now >= self._next_start:
            self._candidate = self._started(target)

    def _watch_stand_in(self) -> None:
        stand_in, candidate = self._stand_in, self._candidate
        if stand_in is None:
            return
        if candidate is None or self._on_air is not None or stand_in.build != _stands_in_for(candidate):
            stand_in.end()
            self._stand_in = None
        elif stand_in.delivers:
            self._on_air, self._stand_in = stand_in, None
            self._delivered = stand_in.build
            log.info("on air: %s, which %s", stand_in.build, meanwhile(stand_in, candidate))
        elif verdict := stand_in.verdict():
            log.error("%s can't play while %s is built: %s", stand_in.build, candidate.build, verdict)
            stand_in.end()
            self._stand_in = None
            self._alone = candidate.build

    def _start_a_stand_in(self) -> None:
        candidate = self._candidate
        if candidate is None or self._on_air is not None or self._stand_in is not None:
            return
        build, now = _stands_in_for(candidate), self._clock.now()
        since = max(candidate.report.takes_long_at + self._stand_in_after, self._next_start)
        if build is not None and build != candidate.build and candidate.build != self._alone and now >= since:
            self._stand_in = self._started(build)

    def _started(self, build: Build) -> RendererProcess | None:
        try:
            renderer = RendererProcess(build, self._link, self._clock, self._silence)
        except RendererError as error:
            log.error("%s", error)
            self.last_failure = str(error)
            self._deaths += 1
            self._wait_before_next()
            return None
        log.info("starting a renderer (process %d): %s", renderer.pid, build)
        return renderer

    def _wait_before_next(self) -> None:
        back_off = 0.0 if self._deaths == 0 else min(0.25 * 2 ** (self._deaths - 1), LONGEST_BACK_OFF)
        self._next_start = self._clock.now() + round(back_off * NS)


def _stands_in_for(candidate: RendererProcess) -> Build | None:
    """What may play until the candidate does; None while it does not say that it takes long."""
    takes_long = candidate.report.takes_long
    return None if takes_long is None else candidate.build.with_accelerator(takes_long.stand_in)
