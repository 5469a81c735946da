"""Free main memory of this process: what the system has left, within the limits of its control groups."""

from pathlib import Path

import psutil

GROUPS = Path("/sys/fs/cgroup")
MEMBERSHIP = Path("/proc/self/cgroup")
"""Control groups of this process on Linux: ``0::/path`` of version 2, ``4:memory:/path`` of version 1."""

_NAMES = (
    ("memory.max", "memory.current", "inactive_file"),
    ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
)
"""Files with limit and use, and the key of ``memory.stat`` for pages of files that can be dropped: versions 2 and 1."""


def free_main_memory(groups: Path = GROUPS, membership: Path = MEMBERSHIP) -> int:
    """Return the bytes of main memory that this process can still get.

    Args:
        groups: Root of the control groups. A container and a service have a limit there.
        membership: File that names the groups of this process.
    """
    return min([psutil.virtual_memory().available, *_rooms(groups, membership)])


def _rooms(groups: Path, membership: Path) -> list[int]:
    """Return the bytes that each limited group of this process has left, from its own group to the root."""
    try:
        lines = membership.read_text().splitlines()
    except OSError:  # not Linux
        return []
    rooms = []
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if controllers not in ("", "memory"):
            continue
        root = groups / controllers
        # Inside of a container the path may be that of the host: groups that are not there are passed over.
        own = root / path.strip("/")
        for folder in (own, *own.parents):
            if folder.is_relative_to(root) and (room := _room(folder)) is not None:
                rooms.append(room)
    return rooms


def _room(folder: Path) -> int | None:
    """Return the bytes that a group has left; None where it has no limit."""
    for limit, use, key in _NAMES:
        try:
            most, used = int((folder / limit).read_text()), int((folder / use).read_text())
            stat = dict(line.split() for line in (folder / "memory.stat").read_text().splitlines())
            return max(0, most - used + int(stat.get(key, 0)))
        except (OSError, ValueError):  # no such group, or ``max``: no limit
            continue
    return None
