"""Log output of a show, written to the terminal by a thread of its own.

A terminal can be blocked by Ctrl-S, by a selection in a Windows console, or by a pager that is not read. A write then
waits, and the supervisor must not.
"""

import atexit
import contextlib
import logging
import os
import queue
import time
from logging.handlers import QueueHandler, QueueListener

from rich.logging import RichHandler

from daemon.commands.terminal import Terminal
from daemon.stage.recent_log import RECENT_LOG

MAX_QUEUED = 1000
"""Most lines that wait for a blocked terminal. Further ones are dropped."""

FLUSH_SECONDS = 1.0
"""Seconds that the program waits at its end for the last lines to be written."""


class _DeduplicatingHandler(QueueHandler):
    """Queue handler that drops a line that equals the one before it, within a second."""

    _last = ""
    _last_at = 0.0

    def enqueue(self, record: logging.LogRecord) -> None:
        """Queue a record. The handler's lock is held."""
        message, now = record.getMessage(), time.monotonic()
        # asyncio logs a failing accept thousands of times a second, with a traceback.
        if message == self._last and now - self._last_at < 1.0:
            return
        self._last, self._last_at = message, now
        with contextlib.suppress(queue.Full):
            self.queue.put_nowait(record)


def log_to_terminal(verbose: bool) -> None:
    """Log to standard error from now on; `verbose` adds debug messages."""
    waiting: queue.Queue[logging.LogRecord] = queue.Queue(MAX_QUEUED)
    terminal = RichHandler(console=Terminal(stderr=True), show_path=False, rich_tracebacks=False)
    level = logging.DEBUG if verbose else logging.INFO
    logging.basicConfig(level=level, format="%(message)s", handlers=[_DeduplicatingHandler(waiting), RECENT_LOG])
    QueueListener(waiting, terminal).start()  # its thread is a daemon, so a blocked terminal does not keep the program

    def flush() -> None:
        deadline = time.monotonic() + FLUSH_SECONDS
        while waiting.unfinished_tasks:
            if time.monotonic() > deadline:
                # The show has ended, and every further step would wait for the same terminal.
                os._exit(0)
            time.sleep(0.01)

    atexit.register(flush)
