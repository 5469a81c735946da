"""`TickPicker`: the ticks of the output clock that a sink with a rate of its own gets.

A sink that wants 24 pictures a second of a show of 30 gets ticks 0, 2, 3, 4, 5, 7, …: the first one at or after each
time of its own grid. The sum is kept in whole numbers, so that it never drifts from the rate.
"""

from fractions import Fraction

from daemon.shared.clock import NS
from io_bridges.frames import Tick


class TickPicker:
    """Chooses the ticks of one sink, and gives them numbers of its own. It must see every tick."""

    def __init__(self, rate: Fraction, show_rate: Fraction) -> None:
        """`rate` is that of the sink. If it is above `show_rate`, the sink gets every tick."""
        self._rate = rate
        self.show_rate = show_rate
        """Rate of the output clock. Any thread may set it; it holds from the next tick on."""
        self._number = 0
        self._is_new = True
        self._divide(show_rate)

    def _divide(self, show_rate: Fraction) -> None:
        """Begin the grid at the next tick of a clock of this rate."""
        self._divided = show_rate
        share = min(self._rate / show_rate, Fraction(1))
        self._step, self._whole = share.numerator, share.denominator
        # Nanoseconds for each unit that `_sum` has left over, as a fraction.
        late = NS / (show_rate * self._step)
        self._late, self._late_by = late.numerator, late.denominator
        self._sum = self._whole - self._step

    def pick(self, tick: Tick) -> Tick | None:
        """Return the sink's own tick if it gets this one, otherwise None.

        The sink's ticks count up from 0 without gaps, and are due at even intervals. One is repeated if every tick
        since the one before it was; the first is not.
        """
        if self.show_rate != self._divided:
            self._divide(self.show_rate)
        self._is_new = self._is_new or not tick.repeated
        self._sum += self._step
        if self._sum < self._whole:
            return None
        self._sum -= self._whole
        number, repeated = self._number, not self._is_new
        self._number, self._is_new = number + 1, False
        return Tick(number, tick.at - self._sum * self._late // self._late_by, repeated)
