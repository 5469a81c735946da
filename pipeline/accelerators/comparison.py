"""Comparison of two candidates, timed in the order A B B A, so that other load on the machine affects both alike."""

import math
import statistics
from collections.abc import Callable, Sequence

Timer = Callable[[], float]
"""Seconds from any start. Injected, since the pipeline reads no clock."""

PAIRS = 7
"""Counted pairs at each batch size."""

UNCOUNTED = 1
"""Pairs at each batch size before those: the first call of a network chooses its kernels and fills caches."""

MARGIN = 1.03
"""Least ratio by which a challenger has to be faster. Below it the two are equal, and what plays stays."""


class PairedTiming:
    """One comparison of what plays with a challenger, a pair of calls at a time."""

    def __init__(
        self, playing: Callable[[int], None], challenger: Callable[[int], None], sizes: Sequence[int], timer: Timer
    ) -> None:
        """
        Args:
            playing: Does the work of one picture at a batch size, and returns when it is done.
            challenger: The same work, done by the challenger.
            sizes: Batch sizes to compare at, one or more.
            timer: Seconds from any start.
        """
        self._works = (playing, challenger)
        self._timer = timer
        self._turns = [size for _ in range(UNCOUNTED + PAIRS) for size in sizes]
        self._done = 0
        self._ratios: dict[int, list[float]] = {size: [] for size in sizes}

    @property
    def done(self) -> bool:
        """True once every pair is timed."""
        return self._done == len(self._turns)

    def time_pair(self) -> None:
        """Time one call of each, the first one in turn."""
        size = self._turns[self._done]
        order = (0, 1) if self._done // len(self._ratios) % 2 == 0 else (1, 0)
        seconds = [0.0, 0.0]
        for place in order:
            began = self._timer()
            self._works[place](size)
            seconds[place] = self._timer() - began
        if self._done >= UNCOUNTED * len(self._ratios):
            self._ratios[size].append(seconds[0] / max(seconds[1], 1e-9))
        self._done += 1

    @property
    def ratio(self) -> float:
        """Speed of the challenger over that of the other: the median of each size's pairs, and their geometric mean.

        Above 1 the challenger is faster.
        """
        medians = [statistics.median(ratios) for ratios in self._ratios.values()]
        return math.exp(statistics.fmean(math.log(max(median, 1e-9)) for median in medians))
