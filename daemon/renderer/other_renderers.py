"""Memory of the other renderers of a show, which they give back when they end."""

import os
from contextlib import suppress

import psutil

MODULE = "daemon.renderer"
"""Module that a renderer's command line names."""


def memory_of_others(own: int | None = None) -> int:
    """Return the bytes of main memory that the other renderers of the same stage hold, 0 where there are none.

    Pages that several processes share, such as libraries, are not counted: they stay.

    Args:
        own: Process id of this renderer; None is this process.
    """
    total = 0
    with suppress(psutil.Error):
        process = psutil.Process(own or os.getpid())
        stage = process.parent()
        for other in stage.children() if stage else ():
            with suppress(psutil.Error):  # it has ended meanwhile
                if other.pid != process.pid and MODULE in other.cmdline():
                    total += _private_bytes(other)
    return total


def _private_bytes(process: psutil.Process) -> int:
    """Return the bytes that are free once a process has ended."""
    try:
        return int(process.memory_full_info().uss)
    except psutil.AccessDenied:  # Windows and macOS allow it for few processes
        return int(process.memory_info().rss)
