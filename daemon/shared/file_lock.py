"""A file that one show at a time may keep: claimed by a lock beside it, which goes when its process goes."""

import logging
import sys
from pathlib import Path
from typing import IO

from presets.errors import SettingsError

log = logging.getLogger("state")


def lock_file(path: Path) -> IO[bytes] | None:
    """Holds `path` for this process until what is returned is closed; None where there is no place for a lock.

    Raises:
        SettingsError: another show holds it.
    """
    beside = path.with_name(path.name + ".lock")
    try:
        beside.parent.mkdir(parents=True, exist_ok=True)
        held = beside.open("ab")
    except OSError as error:
        log.warning("%s: can't be locked (%s); see that no other show keeps its state there", path, error.strerror)
        return None
    try:
        lock(held)
    except OSError as error:
        held.close()
        raise SettingsError(
            f"another show keeps its state in {path}; end it, or give this one a file of its own with --state"
        ) from error
    return held


if sys.platform == "win32":
    import msvcrt

    def lock(held: IO[bytes]) -> None:
        """Locks an open file until it is closed or its process is gone. Raises `OSError` where another has it."""
        held.seek(0)
        msvcrt.locking(held.fileno(), msvcrt.LK_NBLCK, 1)

else:
    import fcntl

    def lock(held: IO[bytes]) -> None:
        """Locks an open file until it is closed or its process is gone. Raises `OSError` where another has it."""
        fcntl.flock(held.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
