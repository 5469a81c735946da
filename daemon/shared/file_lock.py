"""File locks. One show at a time may keep a state file; the system releases the lock when its process ends."""

import logging
import sys
from pathlib import Path
from typing import IO

from presets.errors import SettingsError

log = logging.getLogger("state")


def lock_file(path: Path) -> IO[bytes] | None:
    """Lock `path` for this process until the returned file is closed. Return None if no lock file can be made.

    The lock is on a file beside it, because `path` itself is replaced at every save.

    Raises:
        SettingsError: Another show holds the lock.
    """
    beside = path.with_name(path.name + ".lock")
    try:
        beside.parent.mkdir(parents=True, exist_ok=True)
        held = beside.open("ab")
    except OSError as error:
        log.warning(
            "%s: it can't be locked (%s). Make sure that no other show keeps its state there.", path, error.strerror
        )
        return None
    try:
        lock(held)
    except OSError as error:
        held.close()
        raise SettingsError(
            f"another show keeps its state in {path}; stop it with Ctrl-C in its terminal, or give this one "
            "another file with --state and other ports with --osc, --control, --web and --sink"
        ) from error
    return held


if sys.platform == "win32":
    import msvcrt

    def lock(held: IO[bytes]) -> None:
        """Lock an open file until it is closed or its process ends. Raises `OSError` if another process holds it."""
        held.seek(0)
        msvcrt.locking(held.fileno(), msvcrt.LK_NBLCK, 1)

else:
    import fcntl

    def lock(held: IO[bytes]) -> None:
        """Lock an open file until it is closed or its process ends. Raises `OSError` if another process holds it."""
        fcntl.flock(held.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
