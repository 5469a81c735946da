"""`Clock`: now, and sleeping until then. Injected wherever time matters, so that tests turn it by hand."""

import time
from typing import Protocol

NS = 1_000_000_000
"""Nanoseconds in a second: all of the daemon's times are integer nanoseconds on the monotonic clock."""


class Clock(Protocol):
    """What keeps time."""

    def now(self) -> int:
        """Nanoseconds on a clock that never goes back."""

    def sleep_until(self, moment: int) -> None:
        """Return at `moment` or as soon after it as the system can; at once if it has passed."""


class SystemClock:
    """This machine's monotonic clock, the same one for all processes on it."""

    def now(self) -> int:
        return time.monotonic_ns()

    def sleep_until(self, moment: int) -> None:
        while (left := moment - time.monotonic_ns()) > 0:
            time.sleep(left / NS)
