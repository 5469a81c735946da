"""`PreviewPace`: the time between two pictures of the page's preview, from what they cost this processor."""

import statistics
from collections import deque

SHARE = 0.03
"""Share of a core that the preview takes at most, for all pages together."""
FASTEST, SLOWEST = 1 / 30, 1 / 5
"""Shortest and longest time between two pictures, in seconds."""

_KEPT = 15
_WHOLE = 8.0
"""Cost of all that a picture is for one page (waking its socket, sending, reading its answer) over sending alone."""


class PreviewPace:
    """Costs of the last pictures, and what follows from them. For one thread."""

    def __init__(self) -> None:
        self._encoding: deque[float] = deque(maxlen=_KEPT)
        self._sending: deque[float] = deque(maxlen=_KEPT)

    def encoded(self, seconds: float) -> None:
        """Note the processor time of scaling and encoding one picture."""
        self._encoding.append(seconds)

    def sent(self, seconds: float) -> None:
        """Note the processor time of sending a picture to one page."""
        self._sending.append(seconds)

    def period(self, viewers: int) -> float:
        """Return the seconds from one picture to the next that keep so many pages within `SHARE` of a core."""
        # A median, because the first picture imports what encodes it.
        encoding = statistics.median(self._encoding) if self._encoding else 0.0
        sending = statistics.median(self._sending) if self._sending else 0.0
        cost = encoding + max(viewers, 1) * sending * _WHOLE
        return min(max(cost / SHARE, FASTEST), SLOWEST)
