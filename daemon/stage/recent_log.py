"""`RecentLog`: the last lines of the log, for the page."""

import logging
from collections import deque
from itertools import count
from typing import NamedTuple

MOST_LINES = 200
LONGEST = 500
"""Most characters of one line."""


class LogLine(NamedTuple):
    """One line of the log."""

    number: int
    """Number of the line since the program started."""
    at: float
    """Time in seconds since 1970."""
    level: str
    """``info``, ``warning`` or ``error``."""
    text: str


class RecentLog(logging.Handler):
    """A log handler that keeps the newest lines. Any thread may log, and any thread may read."""

    def __init__(self) -> None:
        super().__init__(logging.INFO)
        self._lines: deque[LogLine] = deque(maxlen=MOST_LINES)
        self._numbers = count(1)

    def emit(self, record: logging.LogRecord) -> None:
        """Keep one record. The handler's lock is held."""
        level = "error" if record.levelno >= logging.ERROR else record.levelname.lower()
        text = record.getMessage()
        last = self._lines[-1] if self._lines else None
        if last is not None and (last.level, last.text) == (level, text[:LONGEST]):
            self._lines.pop()  # a line that repeats must not push the others out
        self._lines.append(LogLine(next(self._numbers), record.created, level, text[:LONGEST]))

    def lines(self) -> list[dict[str, object]]:
        """Return the lines as JSON objects, the oldest first."""
        self.acquire()
        try:
            return [line._asdict() for line in self._lines]
        finally:
            self.release()


RECENT_LOG = RecentLog()
"""Lines of this process. `streamflow-live run` adds it to the handlers of the log."""
