"""Rates, intervals and delays of a show. Memory is bounded, and a mark costs little."""

import threading
from collections import deque
from collections.abc import Callable
from itertools import pairwise

from daemon.shared.clock import NS
from io_bridges.frames import RenderedFrame

LEAST_SILENCE = 3.0
"""Seconds without an event before a steady stream counts as interrupted."""

SILENT_PERIODS = 5
"""Usual intervals without an event before a slow stream counts as interrupted."""

USUAL_MARKS = 20
"""Newest marks whose median interval is the usual one."""


class Rate:
    """Events per second over the last `window` seconds. Any thread may mark or read."""

    def __init__(self, window: float = 2.0) -> None:
        self._window = round(window * NS)
        # Enough for 250 events a second. A higher rate is computed from the span that is kept.
        self._marks: deque[int] = deque(maxlen=int(window * 250))
        self.total = 0

    def mark(self, now: int) -> None:
        """Count one event at `now`, in nanoseconds."""
        self._marks.append(now)
        self.total += 1

    def per_second(self, now: int) -> float:
        """Return the events per second up to `now`; 0 if fewer than two are recent."""
        recent = [mark for mark in list(self._marks) if now - mark <= self._window]
        if len(recent) < 2:
            return 0.0
        # Time since the last event counts once it exceeds the usual interval, so that a stall shows at once.
        usual = (recent[-1] - recent[0]) / (len(recent) - 1)
        span = max(recent[-1] - recent[0], now - recent[0] - usual)
        return (len(recent) - 1) * NS / span if span > 0 else 0.0

    def recent(self, now: int, seconds: float) -> list[int]:
        """Return the times of the events of the last `seconds`, oldest first; at most as many as are kept."""
        return [mark for mark in list(self._marks) if now - mark <= seconds * NS]

    def silence(self, now: int, least: float = LEAST_SILENCE) -> float:
        """Return the seconds since the last event if they are many for this rate; 0 otherwise or before the first.

        Up to `least` seconds are never many.
        """
        marks = list(self._marks)[-USUAL_MARKS:]
        if not marks:
            return 0.0
        intervals = sorted(after - before for before, after in pairwise(marks))
        usual = intervals[len(intervals) // 2] if intervals else 0
        since = now - marks[-1]
        return since / NS if since > max(least * NS, SILENT_PERIODS * usual) else 0.0


class PictureRate(Rate):
    """Rate of distinct pictures. A picture that cannot differ from the one before it is not counted."""

    def __init__(self, can_change: Callable[[], bool]) -> None:
        """`can_change` returns True while pictures of one revision differ: a morph, drift or feedback."""
        super().__init__()
        self._can_change = can_change
        self._revision = -1

    def count(self, frame: RenderedFrame, now: int) -> None:
        """Count `frame` unless it is drawn from the same text and seed as the one before."""
        repeats = frame.source_index < 0 and frame.revision == self._revision and not self._can_change()
        self._revision = frame.revision
        if not repeats:
            self.mark(now)


class Delays:
    """The delays of the last seconds, for their median and their 99th percentile. One writer; any thread may read."""

    def __init__(self, window: float = 5.0) -> None:
        """`window` is in seconds."""
        self._window = round(window * NS)
        # Enough for 240 a second. A higher rate is measured over a shorter time.
        self._kept: deque[tuple[int, int]] = deque(maxlen=int(window * 240))

    def mark(self, delay: int, now: int) -> None:
        """Keep one delay that ended at `now`, both in nanoseconds."""
        self._kept.append((now, delay))

    def median_and_p99(self, now: int) -> tuple[float, float] | None:
        """Return the median and the 99th percentile in seconds; None if no delay is recent."""
        recent = sorted(delay for at, delay in list(self._kept) if now - at <= self._window)
        if not recent:
            return None
        return recent[len(recent) // 2] / NS, recent[min(len(recent) * 99 // 100, len(recent) - 1)] / NS


class Lead(Delays):
    """The usual time from the parameters of a picture to the picture: on air, or delivered."""

    def __init__(self) -> None:
        super().__init__()
        self._known = (0, 0.0)

    def seconds(self, now: int) -> float:
        """Return the median at `now`, in seconds, computed four times a second; 0 before the first picture.

        It stays as it was while no picture comes.
        """
        at, seconds = self._known
        if now - at >= NS // 4:
            found = self.median_and_p99(now)
            seconds = seconds if found is None else found[0]
            self._known = (now, seconds)
        return seconds


class Intervals:
    """The intervals between marks, for their quantiles. Any thread may mark or read."""

    def __init__(self, keep: int = 20_000) -> None:
        self._lock = threading.Lock()
        self._marks: deque[int] = deque(maxlen=keep)
        self._computed: dict[float, tuple[int, float]] = {}

    def mark(self, now: int) -> None:
        """Keep one mark at `now`, in nanoseconds."""
        with self._lock:
            self._marks.append(now)

    def quantile(self, q: float) -> float | None:
        """Return the quantile `q` in seconds, computed once per second of marks; None before the second mark."""
        with self._lock:
            if len(self._marks) < 2:
                return None
            newest = self._marks[-1]
            # Sorting holds the interpreter lock: a client that polls the status must not disturb the output.
            if q in self._computed and newest - self._computed[q][0] < NS:
                return self._computed[q][1]
            marks = list(self._marks)
        intervals = sorted(after - before for before, after in pairwise(marks))
        quantile = intervals[min(int(q * len(intervals)), len(intervals) - 1)] / NS
        self._computed[q] = (newest, quantile)
        return quantile
