"""`TickSchedule`: the due times of the output clock, in whole nanoseconds, without drift at any rate."""

from fractions import Fraction

from daemon.shared.clock import NS


class TickSchedule:
    """A grid of ticks whose rate may change, and which may be pushed to and fro by small steps.

    One thread calls `begin` and `advance`. Any thread may set `wanted`.
    """

    def __init__(self, rate: Fraction) -> None:
        """`rate` is in ticks a second."""
        self.wanted = rate
        """Rate from the tick after the next one on."""
        self.rate = rate
        """Rate of the grid now."""
        self.period = round(NS / rate)
        """Time between two ticks in ns, rounded."""
        self.due = 0
        """Time of the present tick in ns, monotonic."""
        self.following = self.period
        """Time of the tick after it."""
        self.lag = 0
        """Sum of all pushes in `due`, in ns: `due` minus its time on the even grid."""
        self._offset = 0
        self._base = 0
        self._number = 0

    def begin(self, now: int) -> None:
        """Put the first tick at `now`."""
        self.lag, self._offset, self._base, self._number = 0, 0, now, 1
        self.due, self.following = now, self._grid(1)

    def advance(self, now: int, push: int = 0) -> int:
        """Go to the next tick. Return how many were left out because they were over at `now`.

        `push` is the time in ns by which the ticks after the next one come later, or earlier if it is negative.
        """
        self.due = self.following
        missed = max(0, (now - self.due) // self.period)
        if missed:
            # The process was stopped or starved: continue in phase, without a burst of missed ticks.
            self._number += missed
            self.due = self._grid(self._number) + self._offset
        self.lag = self._offset
        if self.wanted != self.rate:
            self.rate = self.wanted
            self.period = round(NS / self.rate)
            self._base, self._number = self.due - self._offset, 0
        self._offset += push
        self._number += 1
        self.following = self._grid(self._number) + self._offset
        return missed

    def nearest(self, moment: int) -> int:
        """Return the time of the tick nearest to a moment, before or after the present one. Any thread may call it."""
        due, period = self.due, self.period
        return due + round((moment - due) / period) * period

    def _grid(self, number: int) -> int:
        return self._base + number * NS * self.rate.denominator // self.rate.numerator
