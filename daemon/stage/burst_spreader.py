"""`BurstSpreader`: shows pictures that one network call finished together one after another, not only the last."""

import threading
from collections import deque

from daemon.shared.clock import NS, Clock
from io_bridges.frames import RenderedFrame

LONGEST = NS // 2
"""Longest time in ns over which the pictures of one call are spread. After a pause, the interval predicts nothing."""

WAITING = 8
"""Most pictures that wait. The oldest of more is dropped."""


class BurstSpreader:
    """Hands pictures to the output clock, each when it is due.

    A single picture is due immediately. The pictures of one call are due at equal intervals over the time since the
    call before. The first picture of a call drops those that still wait.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._shown: RenderedFrame | None = None
        self._waiting: deque[tuple[int, RenderedFrame]] = deque(maxlen=WAITING)
        self._began = 0
        self._period = 0

    def put(self, frame: RenderedFrame, place: int = 0, of: int = 1) -> None:
        """Add picture number `place`, from 0, of the `of` pictures of one call. Any thread may call it."""
        with self._lock:
            now = self._clock.now()
            if place == 0:
                since = now - self._began
                self._period = since if since <= LONGEST else 0
                self._began = now
                self._waiting.clear()
            self._waiting.append((self._began + place * self._period // of, frame))

    def peek(self) -> RenderedFrame | None:
        """Return the newest picture that is due; None before the first."""
        with self._lock:
            now = self._clock.now()
            while self._waiting and self._waiting[0][0] <= now:
                _, self._shown = self._waiting.popleft()
            return self._shown
