"""A child process and its parent: exit when the parent is gone, and leave the processor to it."""

import contextlib
import os
import sys
from collections.abc import Callable

import psutil


def exit_with_parent(last: Callable[[], None] = lambda: None) -> None:
    """End this process when its standard input ends, so that no orphan outlives a killed parent.

    `last` is called first.
    """
    with contextlib.suppress(OSError):
        while os.read(sys.stdin.fileno(), 4096):
            pass
    last()
    os._exit(0)


def lower_priority() -> None:
    """Give the stage precedence on the processor, so that it keeps time while this process computes."""
    process = psutil.Process()
    with contextlib.suppress(psutil.AccessDenied):
        if sys.platform == "win32":
            process.nice(psutil.BELOW_NORMAL_PRIORITY_CLASS)
        else:
            process.nice(10)
