"""Pictures that one network call finishes together are shown one after another, and not only the last of them."""

import threading
from collections import deque

from daemon.shared.clock import NS, Clock
from io_bridges.frames import RenderedFrame

LONGEST = NS // 2
"""The longest time that the pictures of one call are spread over: after a rest the next call tells nothing of it."""

WAITING = 8
"""The most that wait; the oldest of more is dropped."""


class BurstSpreader:
    """A hand-over to the output clock: a picture replaces the one before it when it is due.

    What comes alone is due at once. The pictures of one call are due at even distances over as long as the call before
    them was ago, and whatever still waits gives way to what comes after it.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._shown: RenderedFrame | None = None
        self._waiting: deque[tuple[int, RenderedFrame]] = deque(maxlen=WAITING)
        self._began = 0
        self._period = 0

    def put(self, frame: RenderedFrame, place: int = 0, of: int = 1) -> None:
        """The picture in `place`, from 0, of as many as one call has finished; any thread, returns at once."""
        with self._lock:
            now = self._clock.now()
            if place == 0:
                since = now - self._began
                self._period = since if since <= LONGEST else 0
                self._began = now
                self._waiting.clear()
            self._waiting.append((self._began + place * self._period // of, frame))

    def peek(self) -> RenderedFrame | None:
        """The picture that is due last by now; None while none is."""
        with self._lock:
            now = self._clock.now()
            while self._waiting and self._waiting[0][0] <= now:
                _, self._shown = self._waiting.popleft()
            return self._shown
