"""`log_to_terminal`: the show's words, written by a thread of their own.

A terminal can be held: Ctrl-S, a selection in a Windows console, a pager that is not read. Whoever writes to it waits
then, and that must not be the supervisor.
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

MOST_WAITING = 1000
"""Lines; what comes on top while the terminal is held is dropped."""

LAST_WORDS = 1.0
"""Seconds that the program stays for its last lines to be written."""


class _Handler(QueueHandler):
    _last = ""
    _last_at = 0.0

    def enqueue(self, record: logging.LogRecord) -> None:
        """Under the handler's lock."""
        said, now = record.getMessage(), time.monotonic()
        # asyncio says thousands of times a second, with a traceback, that it can't accept.
        if said == self._last and now - self._last_at < 1.0:
            return
        self._last, self._last_at = said, now
        with contextlib.suppress(queue.Full):
            self.queue.put_nowait(record)


def log_to_terminal(verbose: bool) -> None:
    """Log to standard error from now on, what `verbose` adds too."""
    waiting: queue.Queue[logging.LogRecord] = queue.Queue(MOST_WAITING)
    terminal = RichHandler(console=Terminal(stderr=True), show_path=False, rich_tracebacks=False)
    level = logging.DEBUG if verbose else logging.INFO
    logging.basicConfig(level=level, format="%(message)s", handlers=[_Handler(waiting)])
    QueueListener(waiting, terminal).start()  # its thread is a daemon: a held terminal does not keep the program

    def wait_for_last_words() -> None:
        until = time.monotonic() + LAST_WORDS
        while waiting.unfinished_tasks:
            if time.monotonic() > until:
                # The show has ended, and all that is left to do would wait for the same terminal.
                os._exit(0)
            time.sleep(0.01)

    atexit.register(wait_for_last_words)
