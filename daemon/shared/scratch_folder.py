"""`scratch_folder`: a folder for temporary files that goes with its owner, however that one ends.

A file in it is locked for as long as its owner lives, which the system lets go of when a process is killed: a folder
that is left over is told by that from one at work, and removed when the next is made.
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
"""Without it a folder is none of ours, whatever its name."""
YOUNG = 60.0
"""Seconds: between a folder and its lock there is a moment in which it looks as if it were left over."""


@contextmanager
def scratch_folder(place: Path | None = None) -> Iterator[Path]:
    """Make a folder of this user's alone in `place` (default: the temporary folder), and remove it at the end.

    Folders that killed owners left in `place` are removed first. Raises `OSError` where it can't be made.
    """
    for left in (place or Path(tempfile.gettempdir())).glob(f"{PREFIX}*"):
        remove_leftover_folders(left, YOUNG)
    with (
        tempfile.TemporaryDirectory(prefix=PREFIX, dir=place, ignore_cleanup_errors=True) as folder,
        (Path(folder) / OWNER).open("xb") as held,
    ):
        with suppress(OSError):  # where files can't be locked, nobody can take this one for left over either
            lock(held)
        yield Path(folder)


def remove_leftover_folders(folder: Path, older_than: float = 0.0) -> bool:
    """Removes what `scratch_folder` made for a process that is gone, so many seconds ago; False where it is anything
    else."""
    try:
        found, owner = folder.lstat(), folder / OWNER
        mine = _user() in (None, found.st_uid)
        if not (folder.name.startswith(PREFIX) and stat.S_ISDIR(found.st_mode) and mine):
            return False
        if time.time() - owner.lstat().st_mtime < older_than:
            return False
        with owner.open("r+b") as held:
            lock(held)
        # Renamed first, so that what still writes there finds no place to.
        doomed = folder.rename(folder.with_name(PREFIX + secrets.token_hex(8)))
    except OSError:
        return False
    shutil.rmtree(doomed, ignore_errors=True)
    return True


def _user() -> int | None:
    """The user's number; None where users have none."""
    return os.getuid() if sys.platform != "win32" else None
