"""`FailurePause`: the failures of a processor in a row, and the pause before it is started again."""

from daemon.shared.clock import NS, Clock

FAILURES_IN_A_ROW = 3
"""Pictures that fail one after another before the processor is stopped for a pause."""

FIRST_PAUSE = 0.5
"""Seconds before the first new start. Each further pause is twice as long."""

LONGEST_PAUSE = 30.0
"""Longest pause in seconds."""

WELL = 30.0
"""Seconds after which a processor that is stopped counts as one that worked: the pauses begin anew."""

STAYS = 5.0
"""Seconds for which a problem is shown after it has passed."""


class FailurePause:
    """Failures of one processor. One thread counts; any thread may read."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._in_a_row = self._stops = 0
        self._failed_at = 0
        self._is_down = False
        self.failures = 0
        """Failures of all time."""
        self.problem = ""
        """Sentence about the last failure."""
        self.next_start = clock.now()
        """Earliest time of the next start, nanoseconds."""

    @property
    def trouble(self) -> str:
        """The last problem while it lasts or is fresh; empty otherwise."""
        now = self._clock.now()
        return self.problem if self._is_down or now - self._failed_at < STAYS * NS else ""

    def forget(self) -> None:
        """Allow a start at once: the file is another."""
        self._in_a_row = self._stops = 0
        self._failed_at = 0
        self._is_down = False
        self.problem = ""
        self.next_start = self._clock.now()

    def failed(self, problem: str) -> bool:
        """Count a picture that failed. Return True if there were too many in a row."""
        self.failures += 1
        self._in_a_row += 1
        self._failed_at = self._clock.now()
        self.problem = problem
        return self._in_a_row >= FAILURES_IN_A_ROW

    def worked(self) -> None:
        """Count a picture that came back."""
        self._in_a_row = 0
        self._is_down = False

    def stopped(self, started_at: int) -> None:
        """Delay the next start of a processor that was started at that time and has been stopped."""
        now = self._clock.now()
        self._stops = 1 if now - started_at > WELL * NS else self._stops + 1
        self._in_a_row = 0
        self._is_down = True
        self.next_start = now + round(min(FIRST_PAUSE * 2 ** (self._stops - 1), LONGEST_PAUSE) * NS)
