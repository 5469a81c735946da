"""`Changeover`: the rules by which a line-up of renderers changes. Start, restart and swap are one mechanism.

The wanted build starts as candidate beside what is on air, and replaces it with its first picture. A renderer that dies
or falls silent is replaced by its understudy, or by another of its build. While nothing is on air and no picture of the
candidate has come, a stand-in plays: the build that played last, or the accelerator that a long build names.
"""

import logging
from collections.abc import Callable, Mapping

from daemon.link.messages import Phase
from daemon.link.server import LinkServer
from daemon.shared.clock import NS, Clock
from daemon.supervision.build_attempts import HOPELESS, BuildAttempts
from daemon.supervision.lineup import Lineup
from daemon.supervision.loading_progress import LoadingProgress
from daemon.supervision.renderer_peers import RendererPeers
from daemon.supervision.renderer_process import Ending, RendererProcess
from daemon.supervision.renderer_starter import Placement, RendererStarter
from daemon.supervision.renderer_status import meanwhile, named_stand_in, too_short_for_both
from daemon.supervision.restart_pacing import KILLS_OF_A_FAILURE, LONG_LIFE, RestartPacing
from daemon.supervision.understudy import Understudies
from presets.build import Build, UnderstudyMode

log = logging.getLogger("stage.supervisor")

RETRY = 60.0
"""Seconds until an impossible build is tried again where nothing else may play: a disk or a cable may come back."""
SETTLE = 0.3
"""Seconds without a change before a wanted build is started: width and height arrive in two messages."""
STAND_IN_AFTER = 10.0
"""Seconds before a stand-in starts beside a candidate. Both then share the device and load more slowly."""
RESTORE_FIRST = 10.0
"""Seconds in which the last build is restarted alone, before another wanted build starts beside it."""


class Changeover:
    """Renderers of one show. One thread only, but for the attributes, which any thread may read."""

    def __init__(
        self,
        link: LinkServer,
        clock: Clock,
        wanted: Callable[[], Build],
        go_back: Callable[[Build, str], None],
        show_progress: Callable[[str, float], None],
        silence: Mapping[Phase, float],
        stand_in_after: float,
        understudy: UnderstudyMode,
        placement: Placement,
    ) -> None:
        """Create it with nothing started. The arguments are those of `Supervisor`."""
        self._clock = clock
        self._wanted = wanted
        self._go_back = go_back
        self._loading = LoadingProgress(clock, show_progress)
        self.starter = RendererStarter(link, clock, silence, self._not_started, placement)
        self._stand_in_after = round(stand_in_after * NS)
        self.lineup = Lineup()
        """Renderers that run. Replaced as a whole."""
        self.attempts = BuildAttempts()
        self.pacing = RestartPacing(clock)
        self.understudies = Understudies(understudy, clock, self.starter.start)
        self.peers = RendererPeers(placement.renderers, clock, self.starter.start, self.understudies)
        self.restarts = 0
        """Renderers that were lost on air."""
        self.last_failure = ""
        """Reason of the last failure, for a person."""
        self._delivered: Build | None = None
        """Build that played last."""
        self._restorable = False
        """True while `_delivered` may be restarted."""
        self._target: Build | None = None
        self._wanted_since = 0

    def look(self) -> None:
        """Run one round: replace what was lost, put on air what delivers, start what is wanted."""
        self._become(self.peers.look(self.understudies.look(self.lineup)))
        self._watch_on_air()
        self._watch_candidate()
        self._start_wanted()
        self._watch_stand_in()
        self._start_stand_in()
        self._loading.look(self.lineup, self.attempts.reason)

    def _become(self, lineup: Lineup, grace: float = 0.0) -> None:
        """Take over a line-up, and end the renderers that it leaves out."""
        staying = set(map(id, lineup))
        leaving = [renderer for renderer in self.lineup if id(renderer) not in staying]
        self.lineup = lineup
        for renderer in leaving:
            renderer.end(grace)

    # Renderers that run.

    def _watch_on_air(self) -> None:
        lost, candidate = self.lineup.on_air, self.lineup.candidate
        ending = None if lost is None else lost.ending()
        if lost is None or ending is None:
            if lost is not None and lost.seems_stuck() and (taken := self.peers.steps_in(self.lineup, lost)):
                self._count_loss("it is silent, and another one takes its place")
                self._become(taken)
            return
        self._count_loss(ending.reason)
        if self._clock.now() - lost.started_at > LONG_LIFE * NS:
            self.pacing.forget()
        elif ending.is_kill:
            self.pacing.killed(ending.phase)
        else:
            self.pacing.failed()
        self._become(self.peers.steps_in(down := self.lineup.loses_on_air(), lost) or down)
        if candidate is None or ending.kind != "memory":
            return
        if lost.build.draws_as(candidate.build):
            self._become(self.lineup.loses_candidate())
            self._give_up(candidate, ending._replace(reason=too_short_for_both(lost, candidate, ending.reason)), True)
        else:
            log.error("Memory is too short for two renderers: %s has it to itself.", candidate.build)
            self._become(self.lineup.yields_to(candidate.build))

    def _count_loss(self, reason: str) -> None:
        log.error("The renderer is lost: %s. The picture on air is held until another one draws.", reason)
        self.last_failure = reason
        self.restarts += 1

    def _watch_candidate(self) -> None:
        lineup, candidate = self.lineup, self.lineup.candidate
        if candidate is None:
            return
        if candidate.delivers:
            self._delivered, self._restorable = candidate.build, True
            if lineup.on_air is not None:
                self.pacing.proved()
            self.attempts.succeeded(candidate.build)
            said = candidate.report.description.values
            why = self.attempts.in_place_of(candidate.build) or said.get("why", "")
            log.info("on air: %s (%s; %s)", candidate.build, why, said.get("forward", ""))
            self._become(lineup.candidate_delivers(), grace=0.2)
        elif ending := candidate.ending():
            self._become(lineup.loses_candidate())
            self._candidate_ended(candidate, ending)

    def _candidate_ended(self, candidate: RendererProcess, ending: Ending) -> None:
        on_air = self.lineup.on_air
        if ending.is_kill:
            if (kills := self.pacing.killed(ending.phase)) % KILLS_OF_A_FAILURE:
                log.warning("The renderer for %s is started again: %s.", candidate.build, ending.reason)
                self.last_failure = ending.reason
                return
            reason = f"it was killed {kills} times while {ending.phase}, probably because the memory ran out"
            ending = ending._replace(reason=reason, kind="memory")
        if ending.kind != "memory":
            self._give_up(candidate, ending)
        elif room := self.peers.make_room(self.lineup, candidate.build):
            self._become(room)
        elif on_air is not None and on_air.build.draws_as(candidate.build):
            self._give_up(candidate, ending._replace(reason=too_short_for_both(on_air, candidate, ending.reason)), True)
        elif on_air is not None or self.lineup.stand_in is not None:
            # The one on air has another model or size: the wanted one can come in no other way.
            for renderer in self.lineup:
                both = f"{candidate.build} beside {renderer.build}"
                log.error("Memory is too short for %s, which yields. The picture is held. %s", both, ending.reason)
            self._become(self.lineup.yields_to(candidate.build), grace=0.2)
        else:
            self._give_up(candidate, ending)

    def _give_up(self, candidate: RendererProcess, ending: Ending, disturbs: bool = False) -> None:
        """Choose what follows a candidate that failed: another attempt, a fallback, or what played before."""
        log.error("The renderer for %s gave no picture: %s", candidate.build, ending.reason)
        self.last_failure = ending.reason
        if candidate.build == self._delivered:
            self._restorable = False
        given_up = self.attempts.failed(candidate.build, ending.reason, ending.kind, disturbs)
        self.pacing.failed()
        if self.lineup.on_air is None:
            self._loading.show(ending.reason, 0.0)
        if not given_up:
            return
        if not self.attempts.hopeless:
            log.error("In place of %s, as the look allows, comes %s.", candidate.build, self.attempts.target)
        elif self._delivered is not None and self._delivered != self.attempts.wanted:
            self.pacing.forget()
            self._go_back(self._delivered, ending.reason)
        elif ending.kind in HOPELESS:
            log.error("No fallback is allowed by this preset. Retrying in %.0f s.", RETRY)
            self.pacing.wait(RETRY)

    def _watch_stand_in(self) -> None:
        stand_in, candidate = self.lineup.stand_in, self.lineup.candidate
        if stand_in is None:
            return
        if self.lineup.on_air is not None or not self._may_stand_in(stand_in.build):
            self._become(self.lineup.loses_stand_in())
        elif stand_in.delivers:
            self._delivered, self._restorable = stand_in.build, True
            self._become(self.lineup.stand_in_delivers())
            until = f", which {meanwhile(stand_in, candidate)}" if candidate else ""
            log.info("on air: %s%s", stand_in.build, until)
        elif ending := stand_in.ending():
            log.error("%s can't play while %s is built: %s", stand_in.build, self._target, ending.reason)
            if ending.is_kill and self.pacing.killed(ending.phase) < KILLS_OF_A_FAILURE:
                self._become(self.lineup.loses_stand_in())
            else:
                self._become(self.lineup.loses_stand_in(alone=self._target))

    # Renderers that start.

    def _start_wanted(self) -> None:
        now, lineup = self._clock.now(), self.lineup
        first = self.attempts.wanted is None
        if self.attempts.want(self._wanted()):
            self._wanted_since = now - (NS if first else 0)
        target = self.attempts.target
        if target is None or now - self._wanted_since < SETTLE * NS:
            return
        if target != self._target:
            self._target = target
            self.pacing.forget()
        candidate, stand_in = lineup.candidate, lineup.stand_in
        if stand_in is not None and stand_in.build == target:
            self._become(lineup.stand_in_is_wanted())
        elif candidate is not None and candidate.build != target:
            # A wish must not end the restart of what played: nothing would be drawn until the other build is ready.
            restores = lineup.on_air is None and self._may_stand_in(candidate.build) and target != lineup.alone
            if restores and now - candidate.started_at < RESTORE_FIRST * NS:
                return
            self._become(lineup.candidate_stands_in() if restores else lineup.loses_candidate())
        there = self.lineup.candidate or self.lineup.on_air
        if (there is None or there.build != target) and now >= self.pacing.next_start:
            self._become(self.lineup.candidate_starts(self.starter.start(target)))

    def _start_stand_in(self) -> None:
        lineup, candidate, now = self.lineup, self.lineup.candidate, self._clock.now()
        if candidate is None or lineup.on_air is not None or lineup.stand_in is not None:
            return
        if candidate.build == lineup.alone or now < self.pacing.next_start:
            return
        if self._restorable and self._delivered is not None and self._delivered != candidate.build:
            self._become(lineup.stand_in_starts(self.starter.start(self._delivered)))
        elif (build := named_stand_in(candidate)) and now >= candidate.report.takes_long_at + self._stand_in_after:
            self._become(lineup.stand_in_starts(self.starter.start(build)))

    def _may_stand_in(self, build: Build) -> bool:
        candidate = self.lineup.candidate
        named = None if candidate is None else named_stand_in(candidate)
        return build == named or (self._restorable and build == self._delivered)

    def _not_started(self, reason: str) -> None:
        self.last_failure = reason
        self.pacing.failed()
