"""Switches of a renderer in a running show, judged by the ticks that the show misses near them."""

from collections.abc import Callable

from control_show import Picture
from received_ticks import ReceivedTick, shown_periods

TRIES = 4
"""Most times that one switch is made. Chance does not return at the same switch; a stall of the show does."""
BEFORE, AFTER = 30, 15
"""Ticks before and after the first picture of a renderer that belong to its switch."""


class JudgedSwitches:
    """Switches of one show. Each is made again while the ticks near it are worse than the machine's own."""

    def __init__(self, ticks: list[ReceivedTick]) -> None:
        self._ticks = ticks
        self._moments: list[int] = []

    def make(self, forward: Callable[[], Picture], back: Callable[[], Picture]) -> Picture:
        """Make a switch, and undo and repeat it if ticks are missed near it. Return the picture after it.

        Args:
            forward: Makes the switch, calls `arrived` at the first picture of the new renderer, and waits for
                `AFTER` frames.
            back: Undoes it in the same manner.

        Raises:
            AssertionError: ticks are missed each time.
        """
        faults = []
        for _ in range(TRIES):
            if faults:
                back()
            picture = forward()
            fault = self._fault()
            if not fault:
                return picture
            faults.append(fault)
        raise AssertionError(f"ticks are missed near each of {TRIES} switches: {faults}")

    def arrived(self) -> None:
        """Mark the newest tick as the first picture of a new renderer."""
        self._moments.append(len(self._ticks))

    def _fault(self) -> str:
        """Return how the last switch is worse than the ticks far from any switch; empty if it is not."""
        periods = shown_periods(self._ticks)
        near = {place for moment in self._moments for place in range(moment - BEFORE, moment + AFTER)}
        around = periods[self._moments[-1] - BEFORE : self._moments[-1] + AFTER]
        elsewhere = [period for place, period in enumerate(periods) if place not in near]
        missed, usual = sum(around) - len(around), sum(elsewhere) / len(elsewhere) - 1
        if max(around) > max(2, *elsewhere):
            return f"a gap of {max(around)} periods, {max(elsewhere)} elsewhere"
        if missed > 1 + 2 * usual * len(around):
            return f"{missed} of {len(around)} ticks missed, {usual:.3f} of each elsewhere"
        return ""
