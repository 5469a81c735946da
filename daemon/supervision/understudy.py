"""`Understudies`: the rules for a second renderer of the build on air, which takes its place when it is lost.

An understudy has its model in memory and waits. It costs as much memory as the renderer on air, and time of the
processor until it is loaded.
"""

import logging
from collections.abc import Callable
from typing import Any

import psutil

from daemon.shared.clock import NS, Clock
from daemon.supervision.lineup import Lineup
from daemon.supervision.renderer_process import RendererProcess
from presets.build import Build, UnderstudyMode

log = logging.getLogger("stage.supervisor")

START_AFTER = 5.0
"""Seconds that a renderer plays before its understudy is loaded."""
RETRY = 60.0
"""Seconds until the next attempt after an understudy was lost, or memory was too short."""
MARGIN = 1 << 30
"""Bytes of main memory that stay free beside an understudy."""
SHARE = 1.25
"""Memory that an understudy may need, as a multiple of what the renderer on air has."""


class Understudies:
    """Returns the line-up that follows from another. One thread only, but for `status`."""

    def __init__(
        self,
        mode: UnderstudyMode,
        clock: Clock,
        start: Callable[[Build, RendererProcess], RendererProcess | None],
    ) -> None:
        """`start` starts the understudy of a renderer."""
        self._mode = mode
        self._clock = clock
        self._start = start
        self._plays: RendererProcess | None = None
        self._plays_since = 0
        self._next_try = 0
        self._reason = "it is switched off" if mode == "off" else "nothing is on air yet"

    def look(self, lineup: Lineup) -> Lineup:
        """Return the line-up without an understudy that is of no use, or with a new one."""
        understudy, plays = lineup.understudy, lineup.on_air
        if plays is not self._plays:
            self._plays, self._plays_since = plays, self._clock.now()
        if understudy is None:
            if plays is not None and self._may_start(lineup, plays):
                return lineup.understudy_starts(self._start(plays.build, plays))
        elif plays is not None and plays.build != understudy.build:
            return lineup.loses_understudy()
        elif ending := understudy.ending():
            return self.dismissed(lineup, f"it is lost: {ending.reason}")
        return lineup

    def dismissed(self, lineup: Lineup, reason: str) -> Lineup:
        """Return the line-up without its understudy. The next one comes after a pause."""
        log.warning("The understudy is gone for %.0f s: %s.", RETRY, reason)
        self._reason = reason
        self._next_try = self._clock.now() + round(RETRY * NS)
        return lineup.loses_understudy()

    def steps_in(self, lineup: Lineup, lost: RendererProcess) -> Lineup | None:
        """Let the understudy of a renderer draw; return the line-up then, None if there is no such understudy.

        One that is not loaded yet is still ahead of a renderer that starts now. It does not replace one that may only
        be slow.
        """
        understudy = lineup.understudy
        if understudy is None or understudy.build != lost.build:
            return None
        if lineup.on_air is not None and (lineup.candidate is not None or not understudy.is_loaded):
            return None
        if lineup.candidate is not None and lineup.stand_in is not None:
            return None
        understudy.release()
        return lineup.understudy_is_candidate() if lineup.candidate is None else lineup.understudy_stands_in()

    def status(self, lineup: Lineup) -> dict[str, Any]:
        """Return state, process, memory in MiB and the reason why there is none, ready for JSON."""
        understudy = lineup.understudy
        if understudy is None:
            return {"state": "none", "pid": 0, "mib": 0, "reason": self._reason}
        state = "ready" if understudy.is_loaded else "loading"
        return {"state": state, "pid": understudy.pid, "mib": understudy.memory >> 20, "reason": ""}

    def _may_start(self, lineup: Lineup, plays: RendererProcess) -> bool:
        now = self._clock.now()
        if self._mode == "off" or lineup.candidate is not None or now < self._next_try:
            return False
        if now - self._plays_since < START_AFTER * NS:
            self._reason = "it waits until the renderer on air has played for some seconds"
            return False
        self._reason = self._obstacle(plays)
        if self._reason:
            self._next_try = now + round(RETRY * NS)
        return not self._reason

    def _obstacle(self, plays: RendererProcess) -> str:
        """Return why there is no room for an understudy; empty if there is."""
        device = plays.report.description.values.get("device", "cpu")
        if self._mode == "auto" and device != "cpu":
            return f"the model plays on {device}, where --understudy on asks for one"
        return memory_obstacle(plays)


def memory_obstacle(plays: RendererProcess) -> str:
    """Return that main memory is too short for another renderer such as `plays`; empty if it is not."""
    need = round(plays.memory * SHARE) + MARGIN
    available = psutil.virtual_memory().available
    if available < need:
        return f"the memory is too short: {need >> 20} MiB are needed, {available >> 20} are free"
    return ""
