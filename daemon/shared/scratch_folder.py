"""`scratch_folder`: a folder for temporary files that is removed even if its owner is killed.

Its owner locks a file in it, and the system releases the lock when the process ends. So a folder that was left behind
can be told from one in use, and is removed when the next one is made.
"""

import os
import secrets
import shutil
import stat
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from daemon.shared.file_lock import lock

PREFIX = "streamflow-live-"
OWNER = "owner.lock"
"""Locked file of the owner. A folder without it belongs to another program, whatever its name."""

YOUNG = 60.0
"""Seconds for which a folder is never removed: between making and locking, a new one looks left behind."""


@contextmanager
def scratch_folder(place: Path | None = None) -> Iterator[Path]:
    """Make a folder that only this user can read in `place` (default: the temporary folder). Remove it at the end.

    Folders that killed owners left in `place` are removed first.

    Raises:
        OSError: It can't be made.
    """
    for left in (place or Path(tempfile.gettempdir())).glob(f"{PREFIX}*"):
        remove_leftover_folders(left, YOUNG)
    with (
        tempfile.TemporaryDirectory(prefix=PREFIX, dir=place, ignore_cleanup_errors=True) as folder,
        (Path(folder) / OWNER).open("xb") as held,
    ):
        with suppress(OSError):  # where files can't be locked, no other process removes this folder either
            lock(held)
        yield Path(folder)


def remove_leftover_folders(folder: Path, older_than: float = 0.0) -> bool:
    """Remove a folder of `scratch_folder` whose process has ended. Return False and leave anything else alone.

    A folder made less than `older_than` seconds ago stays.
    """
    try:
        found, owner = folder.lstat(), folder / OWNER
        mine = _user() in (None, found.st_uid)
        if not (folder.name.startswith(PREFIX) and stat.S_ISDIR(found.st_mode) and mine):
            return False
        if time.time() - owner.lstat().st_mtime < older_than:
            return False
        with owner.open("r+b") as held:
            lock(held)
        # Renamed first, so that a child that still writes fails.
        doomed = folder.rename(folder.with_name(PREFIX + secrets.token_hex(8)))
    except OSError:
        return False
    shutil.rmtree(doomed, ignore_errors=True)
    return True


def _user() -> int | None:
    """Return the user's id; None on Windows."""
    return os.getuid() if sys.platform != "win32" else None
