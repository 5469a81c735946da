"""`MidiTempo`: the tempo of a MIDI clock, smoothed.

A clock has 24 ticks a quarter note. Drivers deliver them some milliseconds early or late, so the tempo is the slope of
a least-squares line through the last ticks. A clear change of tempo begins a new line.
"""

from collections import deque

TICKS_IN_A_BEAT = 24
MOST_TICKS = 8 * TICKS_IN_A_BEAT
"""Ticks of the longest line."""
LEAST_TICKS = 13
"""Ticks of the shortest: half a beat."""
LONGEST_GAP = 0.5
"""Seconds without a tick after which a clock begins anew."""
CLEAR_CHANGE = 0.04
"""Share by which the tempo of the newest ticks may differ before they begin a new line."""
_HALF = 12
"""Ticks of half a beat, after which there is another result."""


class MidiTempo:
    """Follows one clock. One thread only."""

    def __init__(self) -> None:
        self._ticks: deque[float] = deque(maxlen=MOST_TICKS)
        self._since_told = 0

    def tick(self, seconds: float) -> float | None:
        """Take a tick at a time of the device. Return the tempo in beats a minute, twice a beat once it is known."""
        ticks = self._ticks
        if ticks and not 0 <= seconds - ticks[-1] <= LONGEST_GAP:
            ticks.clear()
        ticks.append(seconds)
        self._since_told += 1
        if self._has_changed():
            newest = list(ticks)[-TICKS_IN_A_BEAT - 1 :]
            ticks.clear()
            ticks.extend(newest)
            self._since_told = _HALF
        if len(ticks) < LEAST_TICKS or self._since_told < _HALF:
            return None
        spacing = _slope(ticks)
        self._since_told = 0
        return round(60.0 / (TICKS_IN_A_BEAT * spacing), 2) if spacing > 0 else None

    def lateness(self) -> float:
        """Return the seconds by which the newest tick came after its place on the line, negative for an early one."""
        ticks = self._ticks
        if len(ticks) < LEAST_TICKS:
            return 0.0
        return ticks[-1] - (sum(ticks) / len(ticks) + _slope(ticks) * (len(ticks) - 1) / 2)

    def _has_changed(self) -> bool:
        """Return True if the last two half beats agree on clearly another tempo than the ticks before them.

        A tick that is delivered late makes one of them longer and the other one shorter.
        """
        ticks = self._ticks
        if len(ticks) < 3 * LEAST_TICKS:
            return False
        newest, previous = (ticks[-1] - ticks[-1 - _HALF]) / _HALF, (ticks[-1 - _HALF] - ticks[-1 - 2 * _HALF]) / _HALF
        before = (ticks[-1 - 2 * _HALF] - ticks[0]) / (len(ticks) - 1 - 2 * _HALF)
        return (
            before > 0
            and abs(newest - previous) <= CLEAR_CHANGE * previous
            and abs(newest - before) > CLEAR_CHANGE * before
            and abs(previous - before) > CLEAR_CHANGE * before
        )


def _slope(ticks: "deque[float]") -> float:
    """Return the seconds from tick to tick, by least squares."""
    count, first = len(ticks), ticks[0]
    middle = (count - 1) / 2
    up = sum((place - middle) * (seconds - first) for place, seconds in enumerate(ticks))
    return up / (count * (count * count - 1) / 12)
