"""`Clock`: the current time and sleeping until a time. It is injected, so that tests set the time by hand."""

import time
from typing import Protocol

NS = 1_000_000_000
"""Nanoseconds in a second. All times of the daemon are integer nanoseconds on the monotonic clock."""


class Clock(Protocol):
    """A source of time."""

    def now(self) -> int:
        """Return nanoseconds on a clock that never goes back."""

    def sleep_until(self, moment: int) -> None:
        """Sleep until `moment`, or return immediately if it has passed."""


class SystemClock:
    """The monotonic clock of this machine, which all its processes share."""

    def now(self) -> int:
        return time.monotonic_ns()

    def sleep_until(self, moment: int) -> None:
        while (left := moment - time.monotonic_ns()) > 0:
            time.sleep(left / NS)
