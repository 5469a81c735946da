"""`LoadingProgress`: the steps of a renderer that loads, on the slate and in the log."""

import logging
from collections.abc import Callable

from daemon.link.messages import Progress
from daemon.shared.clock import NS, Clock
from daemon.supervision.lineup import Lineup

log = logging.getLogger("stage.supervisor")

NEXT_STEP = 1.0
"""Least seconds between two lines of the log: an engine's builder names many steps a second."""
SAME_STEP = 5.0
"""Seconds until a step is logged again with another percentage."""


class LoadingProgress:
    """Tells of the candidate of a line-up. One thread only."""

    def __init__(self, clock: Clock, show: Callable[[str, float], None]) -> None:
        """`show` gets a text and the fraction done, 0 to 1, while nothing is on air."""
        self._clock = clock
        self.show = show
        self._renderer = ""
        """Token of the renderer that was logged last."""
        self._logged = ("", 0)
        """Text and percentage of the last line."""
        self._logged_at = 0

    def look(self, lineup: Lineup, reason: str) -> None:
        """Log a step of the candidate if it is due, and show it or the `reason` of the last failure."""
        candidate = lineup.candidate
        if candidate is None:
            return
        progress = candidate.report.progress
        if lineup.on_air is None:
            # A reason stands until a picture comes: the next attempt does not remove it.
            self.show(reason or progress.text or "starting", progress.fraction)
        self._log(candidate.report.token, progress)

    def _log(self, renderer: str, progress: Progress) -> None:
        step = progress.text, round(progress.fraction * 100)
        if not progress.text or (renderer == self._renderer and step == self._logged):
            return
        pause = SAME_STEP if step[0] == self._logged[0] else NEXT_STEP
        now = self._clock.now()
        if renderer == self._renderer and now - self._logged_at < pause * NS:
            return
        self._renderer, self._logged, self._logged_at = renderer, step, now
        log.info("renderer: %s (%d %%)", *step)
