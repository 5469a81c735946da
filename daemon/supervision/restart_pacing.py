"""`RestartPacing`: the earliest time of the next renderer start.

A failing build is retried with exponential back-off. A renderer that was killed by a signal is restarted at once: its
build may be sound. The kernel also kills processes when memory runs out. Repeated kills in the same phase are therefore
delayed, and the supervisor counts `KILLS_OF_A_FAILURE` of them as a failure.
"""

from daemon.link.messages import Phase
from daemon.shared.clock import NS, Clock

FIRST_DELAY = 0.25
"""Seconds before the start that follows the first failure. It doubles with each one."""
LONGEST_DELAY = 10.0
"""Seconds between two starts of a build that fails."""
LONGEST_DELAY_OF_KILLS = 2.0
"""Seconds between two starts of a renderer that is killed."""
KILLS_OF_A_FAILURE = 5
"""Kills in the same phase after which memory is taken to be too short."""
LONG_LIFE = 30.0
"""Seconds on air after which a renderer counts as stable. Earlier failures and kills are then forgotten."""


class RestartPacing:
    """Failures and kills since a renderer last proved itself. One thread only."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._failures = 0
        self._kills = 0
        self._killed_in: Phase | None = None
        self.next_start = 0
        """Time of the next start, nanoseconds."""

    def forget(self) -> None:
        """Allow a start at once, and forget failures and kills."""
        self._failures = self._kills = 0
        self.next_start = self._clock.now()

    def proved(self) -> None:
        """Forget failures and kills."""
        self._failures = self._kills = 0

    def failed(self) -> None:
        """Delay the next start after a failure."""
        self._failures += 1
        self.wait(min(FIRST_DELAY * 2 ** (self._failures - 1), LONGEST_DELAY))

    def killed(self, phase: Phase) -> int:
        """Delay the next start after a kill from outside; return how many there were in this phase in a row."""
        self._kills = self._kills + 1 if phase == self._killed_in else 1
        self._killed_in = phase
        delay = FIRST_DELAY * 2 ** (self._kills - 2) if self._kills > 1 else 0.0
        self.wait(min(delay, LONGEST_DELAY_OF_KILLS))
        return self._kills

    def wait(self, seconds: float) -> None:
        """Delay the next start by so many seconds from now."""
        self.next_start = self._clock.now() + round(seconds * NS)
