"""What the stage asks of its own process before the show begins."""

import contextlib
import sys

SWITCH_INTERVAL = 0.0005
"""Seconds a thread may keep the interpreter from others: the default 5 ms would be felt in every hand-over."""

OPEN_FILES = 65_536
"""Files and sockets that may be open at once, where the system lets a program ask for it: macOS begins with 256."""


def tune_process() -> None:
    """Quick hand-overs between threads, and room for every peer of a busy evening."""
    sys.setswitchinterval(SWITCH_INTERVAL)
    if sys.platform != "win32":
        import resource

        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        wanted = OPEN_FILES if hard == resource.RLIM_INFINITY else min(OPEN_FILES, hard)
        if soft != resource.RLIM_INFINITY and soft < wanted:
            with contextlib.suppress(ValueError, OSError):  # macOS has a further limit that it does not tell
                resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
