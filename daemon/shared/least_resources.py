"""The least that the system must allow this process, found out before a library fails with a traceback."""

import sys

LEAST_FILES = 32
"""Open files that a command needs to say anything at all."""
SHOW_FILES = 96
"""Open files of a show: 55 were counted for one source, one sink and every control, without the page's connections."""
LEAST_ADDRESS_SPACE = 1 << 30
"""Bytes of address space below which libraries fail as they are loaded."""
SHOW_ADDRESS_SPACE = 2 << 30
"""Bytes of address space of a show: 1.75 GB were measured for the stage alone, which reserves more than it uses."""


def shortage(files: int = LEAST_FILES, address_space: int = LEAST_ADDRESS_SPACE) -> str:
    """Return a sentence about what is too little for so many open files and bytes; empty if all is well.

    The hard limit of open files counts, because the soft one can be raised. Windows has no such limits.
    """
    if sys.platform == "win32":
        return ""
    import resource

    _, most_files = resource.getrlimit(resource.RLIMIT_NOFILE)
    if most_files != resource.RLIM_INFINITY and most_files < files:
        return (
            f"The system allows this process {most_files} open files; at least {files} are needed."
            " Raise the limit (ulimit -n, or LimitNOFILE= of a systemd unit)."
        )
    space, _ = resource.getrlimit(resource.RLIMIT_AS)
    if space != resource.RLIM_INFINITY and space < address_space:
        return (
            f"The system allows this process {space >> 20} MiB of address space; at least {address_space >> 20} MiB"
            " are needed. Raise the limit (ulimit -v), or leave it out."
        )
    return ""
