"""`RestartPacing`: when the next renderer may start.

A build that fails is started ever more slowly. A renderer that was killed from outside says nothing of its build and is
started again at once; but the kernel kills from outside too, where memory runs out, so that kills which repeat in the
same phase slow down a little, and count as a failure in the end.
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
"""Kills in the same phase that count as a failure for want of memory."""
LONG_LIFE = 30.0
"""Seconds after which a renderer on air has proved itself, and earlier failures and kills are forgotten."""


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
        """Allow a start at once, and forget failures and kills: another build is wanted, or one has proved itself."""
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
