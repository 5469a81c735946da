"""Threads: work split over several of them, and the target of a thread that must survive a defect."""

import logging
import os
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

log = logging.getLogger("stage")

PAUSE = 0.2
"""Seconds before the work of a thread restarts after a crash."""

LOG_INTERVAL = 10.0
"""Least seconds between two tracebacks of one thread. A defect at every frame must not fill the log."""


def restart_on_crash(name: str, work: Callable[[], None], stopped: Callable[[], bool]) -> Callable[[], None]:
    """Return the target of a thread: it repeats `work` until `stopped`, and logs a traceback if `work` raises."""

    def run() -> None:
        logged_at = -LOG_INTERVAL
        while not stopped():
            try:
                work()
            # The one broad handler: expected errors are handled where they happen. An unexpected one must not leave
            # an audience with a frozen picture and dead faders until somebody looks at a terminal.
            except Exception:
                if time.monotonic() - logged_at >= LOG_INTERVAL:
                    logged_at = time.monotonic()
                    log.exception("%s crashed because of a defect in this program. Restarting it.", name)
            if not stopped():
                time.sleep(PAUSE)

    return run


def run_in_threads(work: Sequence[Callable[[], Any]]) -> Iterator[Any]:
    """Start all calls, one per core at a time, and yield their results in order. A failed call raises at its turn.

    The pipeline starts no threads itself and is given this function.
    """
    executor = ThreadPoolExecutor(os.cpu_count() or 1, thread_name_prefix="parallel")
    futures = [executor.submit(call) for call in work]
    executor.shutdown(wait=False)
    return (future.result() for future in futures)
