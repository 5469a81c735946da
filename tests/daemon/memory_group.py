"""A control group of Linux with a limit of its own for the memory of a show."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from uuid import uuid4

from show import until

ROOT = Path("/sys/fs/cgroup")

NAMES = {
    "memory": ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
    "": ("memory.max", "memory.current", "inactive_file"),
}
"""Files with limit and use of each controller's version, and the key of ``memory.stat`` for what can be dropped."""


class MemoryGroup:
    """A group with no limit yet."""

    def __init__(self, folder: Path, controller: str) -> None:
        self.folder = folder
        self._limit, self._use, self._dropped = NAMES[controller]
        (self.folder / self._limit).read_text()  # a group may have no controller of memory

    def limit(self, size: int) -> None:
        """Let the processes of the group take so many bytes together. The kernel kills what takes more."""
        (self.folder / self._limit).write_text(str(size))

    @property
    def used(self) -> int:
        """Bytes that the group holds, without pages of files that can be dropped."""
        stat = dict(line.split() for line in (self.folder / "memory.stat").read_text().splitlines())
        return int((self.folder / self._use).read_text()) - int(stat[self._dropped])

    @contextmanager
    def starting(self) -> Iterator[None]:
        """Start processes in the group: this process is in it meanwhile."""
        own = str(os.getpid())
        (self.folder / "cgroup.procs").write_text(own)
        try:
            yield
        finally:
            (self.folder.parent / "cgroup.procs").write_text(own)

    def remove(self) -> None:
        """Remove the group, whose processes are ending."""

        def is_gone() -> bool:
            with suppress(OSError):
                self.folder.rmdir()
            return not self.folder.exists()

        until(is_gone)


def make_memory_group() -> MemoryGroup | None:
    """Return a new group within that of this process; None where this user, container or system can't have one."""
    with suppress(OSError):
        for line in Path("/proc/self/cgroup").read_text().splitlines():
            _, controllers, path = line.split(":", 2)
            if controllers not in NAMES:
                continue
            folder = ROOT / controllers / path.strip("/") / f"show-{uuid4().hex[:8]}"
            with suppress(OSError):
                folder.mkdir()
                try:
                    group = MemoryGroup(folder, controllers)
                    with group.starting():
                        return group
                except OSError:
                    folder.rmdir()
    return None
