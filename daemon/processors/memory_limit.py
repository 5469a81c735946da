"""Limits of the memory of a processor's process, so that one that grows ends itself and not the show."""

import contextlib
import sys
from pathlib import Path

import psutil

MOST_BYTES = 4 * 1024**3
"""Most bytes that a processor may take: room for a library such as torch."""

LARGEST_SHARE = 4
"""Part of the machine's memory that it may take at most: a fourth."""


def most_memory() -> int:
    """Return the bytes that a processor may take on this machine."""
    return min(MOST_BYTES, int(psutil.virtual_memory().total) // LARGEST_SHARE)


def limit_memory(most: int) -> None:
    """Make this process fail to allocate beyond `most` bytes, and the first to go when the machine is short.

    Linux keeps the limit. The other systems leave it to `memory_problem`.
    """
    if sys.platform == "win32":
        return
    import resource

    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_DATA, (most, most))
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if sys.platform == "linux":
        with contextlib.suppress(OSError):
            Path("/proc/self/oom_score_adj").write_text("1000")


def memory_problem(pid: int, most: int) -> str:
    """Return that the process takes more than `most` bytes; empty if it does not, or is gone."""
    try:
        taken = int(psutil.Process(pid).memory_info().rss)
    except psutil.Error:
        return ""
    if taken <= most:
        return ""
    return f"it took {taken / 1024**3:.1f} GiB of memory; {most / 1024**3:.1f} GiB are allowed"
