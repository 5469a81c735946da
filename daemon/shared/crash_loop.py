"""`restart_on_crash`: the work of a thread without which there is no show, begun again where a defect ended it."""

import logging
import time
from collections.abc import Callable

log = logging.getLogger("stage")

PAUSE = 0.2
"""Seconds before it begins again."""

TELL_INTERVAL = 10.0
"""Seconds between two tracebacks of one thread at least: a defect at every picture must not fill the log."""


def restart_on_crash(name: str, work: Callable[[], None], stopped: Callable[[], bool]) -> Callable[[], None]:
    """A thread's target: `work` until `stopped`, with a traceback in the log and a pause where it raised."""

    def run() -> None:
        told_at = -TELL_INTERVAL
        while not stopped():
            try:
                work()
            # The one place for everything: what is foreseen is handled where it happens, and what is not must not
            # leave an audience with a still picture and a dead fader until somebody looks at a terminal.
            except Exception:
                if time.monotonic() - told_at >= TELL_INTERVAL:
                    told_at = time.monotonic()
                    log.exception("%s: a defect of this program; it begins again", name)
            if not stopped():
                time.sleep(PAUSE)

    return run
