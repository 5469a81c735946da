"""Constant-rate timing for sources that generate their own frames."""

import math
import time


class Ticker:
    """Ticks at a constant rate, numbered from 0 at the time of construction.

    Each tick has an absolute due time, so that delays do not add up. Ticks that passed while nobody waited are skipped.
    """

    def __init__(self, fps: float) -> None:
        """Start ticking at `fps` Hz. The first tick is due at once."""
        self._fps = fps
        self._start = time.monotonic_ns()
        self._next = 0

    def wait(self, timeout: float) -> int | None:
        """Wait at most `timeout` seconds for a new tick. Return the number of the newest due tick, or None."""
        due = self._start + math.ceil(self._next * 1e9 / self._fps)
        if not sleep_until(due, timeout):
            return None
        elapsed = time.monotonic_ns() - self._start
        tick = max(self._next, int(elapsed * self._fps / 1e9))
        self._next = tick + 1
        return tick


def sleep_until(due: int, timeout: float) -> bool:
    """Sleep until `due` (nanoseconds, monotonic), at most `timeout` seconds. Return True if the time has come."""
    left = (due - time.monotonic_ns()) / 1e9
    if left > timeout:
        time.sleep(max(timeout, 0.0))
        return False
    if left > 0:
        time.sleep(left)
    return True
