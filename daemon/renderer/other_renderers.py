"""Memory of the other renderers of a show, which they give back when they end."""

import os
from collections.abc import Iterator
from contextlib import suppress

import psutil

MODULE = "daemon.renderer"
"""Module that a renderer's command line names."""
FORK_SERVER = "daemon.renderer.fork_server"
"""Module that the command lines of the fork server and of its renderers name."""


def memory_of_others(own: int | None = None) -> int:
    """Return the bytes of main memory that the other renderers of the same stage hold, 0 where there are none.

    Pages that several processes share, such as libraries, are not counted: they stay.

    Args:
        own: Process id of this renderer; None is this process.
    """
    total = 0
    for other in _other_renderers(own or os.getpid()):
        with suppress(psutil.Error):  # it has ended meanwhile
            total += _private_bytes(other)
    return total


def _other_renderers(own: int) -> Iterator[psutil.Process]:
    """Yield the renderers that the parent of a process, stage or fork server, has started beside it."""
    with suppress(psutil.Error):
        parent = psutil.Process(own).parent()
        if parent is None:
            return
        module = FORK_SERVER if FORK_SERVER in parent.cmdline() else MODULE
        for other in parent.children():
            with suppress(psutil.Error):
                if other.pid != own and module in other.cmdline():
                    yield other


def _private_bytes(process: psutil.Process) -> int:
    """Return the bytes that are free once a process has ended."""
    try:
        return int(process.memory_full_info().uss)
    except psutil.AccessDenied:  # Windows and macOS allow it for few processes
        return int(process.memory_info().rss)
