"""`SourceRate`: the rate of an output that follows the first source: declared by it, or measured."""

import logging
from collections.abc import Sequence
from fractions import Fraction
from itertools import pairwise

import numpy as np

from daemon.shared.clock import NS, Clock
from daemon.stage.source_thread import SourceThread
from io_bridges.rates import FASTEST, declared_rate, followed_rate, usual_rate

log = logging.getLogger("stage")

WINDOW = 8.0
"""Longest time in seconds over which a rate is measured."""

LEAST_SPAN = 3.0
LEAST_FRAMES = 12
ENOUGH_FRAMES = 450
"""Seconds and frames before a measurement counts, and frames that are enough in less time."""

STEADY = 0.85
"""Share of the intervals that must be whole multiples of the usual one, or the source has no rate."""

_UNEVEN = 0.35
_LONGEST_STEP = 4
"""Most frames that an interval is counted as. A longer one is a pause of the machine, which says nothing."""
_LIKE = 0.0025
"""Share by which a measured rate may differ from the present one without a change. The phase lock corrects it."""

_CONTRADICTION = 0.1
"""Share by which frames must come faster or slower than declared before the declaration counts as wrong.

A machine that is too busy measures some hundredths too much or too little.
"""

LEAST_HOLD = 5.0
"""Seconds for which a rate stays, however often one source changes its mind. Recordings start anew with each."""

_AGREEING = 6
"""Looks in a row that must see the same measured rate."""


class SourceRate:
    """Looks at the source twice a second, and tells the rate that the output should have. For the main thread."""

    def __init__(self, clock: Clock, rate: Fraction) -> None:
        """`rate` is the first one of the output."""
        self._clock = clock
        self._rate = rate
        self._source: SourceThread | None = None
        self._seen: list[Fraction] = []
        self._held_until = clock.now()
        self.origin = "until the source has a rate"
        """Phrase for the performer: the origin of the present rate."""

    def look(self, source: SourceThread) -> Fraction:
        """Return the rate that the output should have beside this source, which is on air.

        A source that is lost, or has no rate, leaves the rate as it is.
        """
        if source is not self._source:
            self._source, self._seen, self._held_until = source, [], self._clock.now()
        status = source.status()
        if not source.is_open or ("declared_fps" in status and status["declared_fps"] is None):
            self._seen = []
            return self._rate
        declared = declared_rate(status.get("declared_fps"))
        measured = self._measured(source)
        if declared is not None and (measured is None or abs(measured / declared - 1) <= _CONTRADICTION):
            self._take(declared, "declared by the source")
        elif measured is not None:
            self._take(measured, "measured from the source")
        return self._rate

    def _measured(self, source: SourceThread) -> Fraction | None:
        """Return the rate that the last looks agree on, None for none."""
        now = self._clock.now()
        rate = steady_rate(source.rate.recent(now, WINDOW), now)
        if rate is None:
            self._seen = []
            return None
        self._seen = [*self._seen, usual_rate(rate)][-_AGREEING:]
        low, high = min(self._seen), max(self._seen)
        return self._seen[-1] if len(self._seen) == _AGREEING and high <= low * (1 + _LIKE) else None

    def _take(self, rate: Fraction, origin: str) -> None:
        wanted = followed_rate(rate)
        is_measured = not origin.startswith("declared")
        if wanted == self._rate or (is_measured and abs(wanted / self._rate - 1) <= _LIKE):
            self.origin = origin
            return
        now = self._clock.now()
        if now < self._held_until:
            return
        self._rate, self.origin, self._held_until = wanted, origin, now + round(LEAST_HOLD * NS)
        log.info("output: %g pictures a second, %s", round(float(wanted), 3), origin)


def steady_rate(marks: Sequence[int], now: int) -> float | None:
    """Return the frames a second of a source from the times in ns at which they came, oldest first.

    Frames that were left out now and then do not lower it, and uneven times hardly change it. It is None if the times
    are too few, too uneven, long ago, or more than an output can follow.
    """
    if len(marks) < LEAST_FRAMES or (marks[-1] - marks[0] < LEAST_SPAN * NS and len(marks) < ENOUGH_FRAMES):
        return None
    intervals = [later - earlier for earlier, later in pairwise(marks)]
    usual = sorted(intervals)[len(intervals) // 2]
    if usual <= 0 or now - marks[-1] > max(NS, LEAST_FRAMES * usual):
        return None
    # An early frame after a late one may be step 0: both together are two steps, not three.
    steps = [(interval, round(interval / usual)) for interval in intervals]
    even = sum(step > 0 and abs(interval / usual - step) <= _UNEVEN for interval, step in steps)
    if even < STEADY * len(intervals):
        return None
    kept = np.array([each for each in steps if each[1] <= _LONGEST_STEP], np.float64)
    times, numbers = np.cumsum(kept, axis=0).T
    # The slope of a line through all times is much less uneven than the time between the first and the last.
    slope = float(np.polyfit(numbers, times, 1)[0])
    return NS / slope if slope > 0 and NS / slope <= FASTEST * (1 + _LIKE) else None
