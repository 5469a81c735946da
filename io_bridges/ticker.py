"""Absolute deadlines at a constant rate, for sources that make their own time."""

import math
import time


class Ticker:
    """Beats at `fps` Hz from now on, counted from 0. What is late is skipped, so that no lateness piles up."""

    def __init__(self, fps: float) -> None:
        self._fps = fps
        self._start = time.monotonic_ns()
        self._next = 0

    def wait(self, timeout: float) -> int | None:
        """The newest beat that is due and was not taken yet, waiting at most `timeout` seconds for one."""
        due = self._start + math.ceil(self._next * 1e9 / self._fps)
        if not sleep_until(due, timeout):
            return None
        elapsed = time.monotonic_ns() - self._start
        beat = max(self._next, int(elapsed * self._fps / 1e9))
        self._next = beat + 1
        return beat


def sleep_until(due: int, timeout: float) -> bool:
    """Sleep until `due` (ns, monotonic) but at most `timeout` seconds; whether it is due now."""
    left = (due - time.monotonic_ns()) / 1e9
    if left > timeout:
        time.sleep(max(timeout, 0.0))
        return False
    if left > 0:
        time.sleep(left)
    return True
