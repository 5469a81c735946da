"""`FloodLimiter`: a short rest between two looks at a socket that is flooded, as network cards do with interrupts.

To wake up for each datagram costs more than the datagram. In a flood a rest gathers some, of which most are older
values of a fader that nobody misses; where little comes, nothing waits.
"""

import math

INTERVAL = 0.004
"""Seconds; no datagram waits longer than this for the end of a rest."""
FLOOD = 4
"""Datagrams in an interval, and in the one before: more are a flood. A gesture of several faders at once is none."""
TORRENT = 256
"""Datagrams; from so many on there is no rest, in which the system's buffer (some 500, if untuned) might run over."""


class FloodLimiter:
    """Counts the datagrams of successive intervals."""

    def __init__(self) -> None:
        self._began = -math.inf
        self._found = 0
        self._before = 0

    def rest(self, began: float, found: int) -> float:
        """Count a drain that began then (`time.monotonic` seconds); returns the time to rest until, past for none."""
        end = self._began + INTERVAL
        if began >= end:
            self._before = self._found if began < end + INTERVAL else 0
            self._began, self._found = began, 0
        self._found += found
        flooded = min(self._before, self._found) > FLOOD and max(self._before, self._found) < TORRENT
        return self._began + INTERVAL if flooded else began
