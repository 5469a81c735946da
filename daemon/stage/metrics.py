"""How the show is doing, counted where it happens: rates, intervals, delays. Bounded memory, cheap to mark."""

import threading
from collections import deque
from itertools import pairwise

from daemon.shared.clock import NS


class Rate:
    """Events a second over the last `window` seconds. Any thread may mark or read."""

    def __init__(self, window: float = 2.0) -> None:
        self._window = round(window * NS)
        # Enough for 250 events a second; a faster one is told from the span that is kept.
        self._marks: deque[int] = deque(maxlen=int(window * 250))
        self.total = 0

    def mark(self, now: int) -> None:
        """One event, at `now` in nanoseconds."""
        self._marks.append(now)
        self.total += 1

    def per_second(self, now: int) -> float:
        """Events a second up to `now`; 0 where fewer than two are recent."""
        recent = [mark for mark in list(self._marks) if now - mark <= self._window]
        if len(recent) < 2:
            return 0.0
        # Time since the last event counts once it exceeds the usual distance, so that a stall is seen at once.
        usual = (recent[-1] - recent[0]) / (len(recent) - 1)
        span = max(recent[-1] - recent[0], now - recent[0] - usual)
        return (len(recent) - 1) * NS / span if span > 0 else 0.0


class Delays:
    """The last delays, for their quantiles. One writer; any thread may read."""

    def __init__(self, keep: int = 600) -> None:
        self._kept: deque[int] = deque(maxlen=keep)

    def mark(self, delay: int) -> None:
        """One delay in nanoseconds."""
        self._kept.append(delay)

    def quantile(self, q: float) -> float | None:
        """In seconds; None while nothing was marked."""
        kept = sorted(self._kept)
        return kept[min(int(q * len(kept)), len(kept) - 1)] / NS if kept else None


class Intervals:
    """The distances between marks, for their quantiles."""

    def __init__(self, keep: int = 20_000) -> None:
        self._lock = threading.Lock()
        self._marks: deque[int] = deque(maxlen=keep)
        self._told: dict[float, tuple[int, float]] = {}

    def mark(self, now: int) -> None:
        """One mark at `now`, nanoseconds."""
        with self._lock:
            self._marks.append(now)

    def quantile(self, q: float) -> float | None:
        """In seconds, worked out once in a second of marks; None while there are fewer than two."""
        with self._lock:
            if len(self._marks) < 2:
                return None
            newest = self._marks[-1]
            # Sorting holds every other thread up: whoever asks for the status all the time must not shake the output.
            if q in self._told and newest - self._told[q][0] < NS:
                return self._told[q][1]
            marks = list(self._marks)
        distances = sorted(after - before for before, after in pairwise(marks))
        told = distances[min(int(q * len(distances)), len(distances) - 1)] / NS
        self._told[q] = (newest, told)
        return told
