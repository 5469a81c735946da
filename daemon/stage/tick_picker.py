"""`TickPicker`: the ticks of the output clock that a sink with a rate of its own gets.

A sink that wants 24 pictures a second of a show of 30 gets ticks 0, 2, 3, 4, 5, 7, …: the first one at or after each
time of its own grid. The sum is kept in whole numbers, so that it never drifts from the rate.
"""

from fractions import Fraction

from daemon.shared.clock import NS
from io_bridges.frames import Tick

_TELEVISION = (24, 30, 48, 60, 72, 96, 120, 240)
"""Rates that have a slower sister, divided by 1.001."""


def exact_rate(fps: float) -> Fraction:
    """Return the rate that is meant by its usual spelling: 30000/1001 for 29.97, 24000/1001 for 23.976 and 23.98."""
    for nominal in _TELEVISION:
        slower = Fraction(nominal * 1000, 1001)
        if abs(slower - Fraction(fps)) < Fraction(5, 1000):
            return slower
    return Fraction(str(fps))


class TickPicker:
    """Chooses the ticks of one sink, and gives them numbers of its own. It must see every tick."""

    def __init__(self, rate: Fraction, show_rate: Fraction) -> None:
        """`rate` is that of the sink, at most `show_rate`."""
        share = rate / show_rate
        self._step, self._whole = share.numerator, share.denominator
        # Nanoseconds for each unit that `_sum` has left over, as a fraction.
        late = NS / (show_rate * self._step)
        self._late, self._late_by = late.numerator, late.denominator
        self._sum = self._whole - self._step
        self._number = 0
        self._is_new = True

    def pick(self, tick: Tick) -> Tick | None:
        """Return the sink's own tick if it gets this one, otherwise None.

        The sink's ticks count up from 0 without gaps, and are due at even intervals. One is repeated if every tick
        since the one before it was; the first is not.
        """
        self._is_new = self._is_new or not tick.repeated
        self._sum += self._step
        if self._sum < self._whole:
            return None
        self._sum -= self._whole
        number, repeated = self._number, not self._is_new
        self._number, self._is_new = number + 1, False
        return Tick(number, tick.at - self._sum * self._late // self._late_by, repeated)
