"""`RendererPeers`: the rules for renderers of the build on air that draw beside the first one (``run --renderers N``).

They are renderers like the first: the link gives each new frame to one of them. One that is lost is one renderer less
until another is started beside the others; if it is the first one, a peer takes its part.
"""

import logging
from collections.abc import Callable
from typing import Any

from daemon.shared.clock import NS, Clock
from daemon.supervision.lineup import Lineup
from daemon.supervision.renderer_process import Ending, RendererProcess
from daemon.supervision.restart_pacing import RestartPacing
from daemon.supervision.understudy import RETRY, Understudies, memory_obstacle
from presets.build import Build

log = logging.getLogger("stage.supervisor")

STUCK_AFTER = 2.0
"""Seconds without a message after which a peer may count as stuck. The others draw meanwhile."""


class RendererPeers:
    """Returns the line-up that follows from another. One thread only, but for `status`."""

    def __init__(
        self,
        renderers: int,
        clock: Clock,
        start: Callable[[Build], RendererProcess | None],
        understudies: Understudies,
    ) -> None:
        """Create it without a peer.

        Args:
            renderers: Renderers that shall play, with the first one.
            clock: Time of every delay.
            start: Starts a peer of a build.
            understudies: Rules for the one that takes over where there is no peer.
        """
        self._wanted = renderers
        self._clock = clock
        self._start = start
        self._understudies = understudies
        self.lost = 0
        """Peers that were lost after they had played."""
        self._pacing = RestartPacing(clock)
        self._reason = ""

    def look(self, lineup: Lineup) -> Lineup:
        """Return the line-up without peers that are lost or of another build, or with a new one."""
        plays = lineup.on_air
        for peer in lineup.peers:
            if plays is not None and peer.build != plays.build:
                lineup = lineup.loses_peer(peer)
            elif ending := peer.ending() or self._stuck(peer, lineup):
                lineup = self._loses(lineup, peer, ending)
            elif peer.delivers:
                self._pacing.proved()
                self._reason = ""
        if plays is None or not self._may_start(lineup, plays):
            return lineup
        started = self._start(plays.build)
        if started is None:
            self._pacing.failed()
            return lineup
        started.report.is_beside = True
        return lineup.peer_starts(started)

    def steps_in(self, lineup: Lineup, lost: RendererProcess) -> Lineup | None:
        """Return the line-up with a peer or the understudy in the part of the first renderer, None if there is neither.

        One that is not loaded yet is still ahead of a renderer that starts now. It does not replace one that may only
        be slow.
        """
        peers = sorted((peer for peer in lineup.peers if peer.build == lost.build), key=_readiness)
        if not peers or (not peers[0].is_loaded and (lineup.on_air is not None or lineup.candidate is not None)):
            return self._understudies.steps_in(lineup, lost)
        if lineup.on_air is not None and peers[0].seems_stuck():
            return None  # this process itself may have stood still
        peers[0].report.is_beside = False
        return lineup.peer_leads(peers[0]) if peers[0].is_loaded else lineup.peer_is_candidate(peers[0])

    def make_room(self, lineup: Lineup, build: Build) -> Lineup | None:
        """Return the line-up without what a build needs the memory of, None if there is nothing to go without."""
        reason = f"{build} needs the memory"
        if lineup.understudy is not None:
            return self._understudies.dismissed(lineup, reason)
        if not lineup.peers:
            return None
        log.warning("One renderer plays alone for %.0f s: %s.", RETRY, reason)
        self._reason = reason
        self._pacing.wait(RETRY)
        return lineup.loses_peers()

    def status(self, lineup: Lineup) -> dict[str, Any]:
        """Return how many renderers play, of how many, and each one's figures, ready for JSON."""
        now = self._clock.now()
        first = () if lineup.on_air is None else (lineup.on_air,)
        playing = sum(renderer.delivers for renderer in (*first, *lineup.peers))
        each = [
            {
                "pid": renderer.pid,
                "place": renderer.place,
                "phase": renderer.report.progress.phase,
                "text": renderer.report.progress.text,
                "fps": round(renderer.report.rate(now), 2),
                "delivered": renderer.report.deliveries.delivered,
                "late": renderer.report.late,
                "step_ms": round(renderer.report.deliveries.call.seconds * 1000, 2),
            }
            for renderer in (*first, *lineup.peers)
        ]
        reason = self._reason if playing < self._wanted else ""
        return {"wanted": self._wanted, "playing": playing, "reason": reason, "each": each}

    def _loses(self, lineup: Lineup, peer: RendererProcess, ending: Ending) -> Lineup:
        left = lineup.loses_peer(peer)
        others = sum(each.delivers for each in (left.on_air, *left.peers) if each is not None)
        if peer.delivers or ending.reason != self._reason:
            log.error("A renderer is lost: %s. %d of %d play on.", ending.reason, others, self._wanted)
        self._reason = ending.reason
        if peer.delivers:
            self.lost += 1
        if ending.kind == "memory":
            self._pacing.wait(RETRY)
        elif ending.is_kill:
            self._pacing.killed(ending.phase)
        else:
            self._pacing.failed()
        return left

    def _stuck(self, peer: RendererProcess, lineup: Lineup) -> Ending | None:
        """Return the ending of a peer that is silent while another one is not."""
        silent = (self._clock.now() - peer.report.heard_at) / NS
        if silent < STUCK_AFTER or not peer.seems_stuck():
            return None
        others = (each for each in (lineup.on_air, *lineup.peers) if each is not None and each is not peer)
        if not any(each.is_loaded and not each.seems_stuck() for each in others):
            return None
        return Ending(f"it has said nothing for {silent:.0f} s while playing", "other", "playing", False)

    def _may_start(self, lineup: Lineup, plays: RendererProcess) -> bool:
        if len(lineup.peers) >= self._wanted - 1 or lineup.candidate is not None:
            return False
        if self._clock.now() < self._pacing.next_start:
            return False
        if plays.is_local and plays.report.description.values.get("device", "cpu") == "cpu":
            if not all(peer.is_loaded for peer in lineup.peers):
                return False  # they would share the processor, and none would be ready sooner
            self._reason = memory_obstacle(plays)
            if self._reason:
                self._pacing.wait(RETRY)
        return not self._reason or self._clock.now() >= self._pacing.next_start


def _readiness(peer: RendererProcess) -> tuple[bool, bool, int]:
    """Return the order in which peers take the part of the first renderer."""
    return not peer.delivers, not peer.is_loaded, peer.started_at
