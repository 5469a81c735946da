"""Atomic file writes: after any failure a file is either the old one or the new one, whole."""

import contextlib
import errno
import os
import re
import secrets
import time
from functools import partial
from pathlib import Path

import psutil


def write_atomically(path: Path, data: bytes, private: bool = False) -> None:
    """Write `data` beside `path`, flush it to the disk and move it into place; make missing folders.

    A `private` file can be read by this user alone, where the system has such permissions. A link is written through,
    so that a folder of linked presets stays one. Raises `OSError`; `path` is then as it was.
    """
    target = Path(os.path.realpath(path))
    if target.exists() and not target.is_file():  # replacing /dev/null would take it from the whole machine
        raise OSError(errno.EINVAL, "it exists and is not a plain file")
    target.parent.mkdir(parents=True, exist_ok=True)
    # A leading dot keeps a half-written file out of every listing.
    beside = target.with_name(f".{target.name}.{os.getpid()}-{secrets.token_hex(4)}.tmp")
    try:
        with open(beside, "xb", opener=partial(os.open, mode=0o600) if private else None) as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(target)
    except OSError:
        beside.unlink(missing_ok=True)
        raise
    _sync_folder(target.parent)


def remove_leftovers(path: Path) -> int:
    """Remove what writers of `path` that were killed have left beside it. Return the number of files.

    Call it while nothing else writes `path`. A folder that can't be listed or changed is left as it is.
    """
    target = Path(os.path.realpath(path))
    left = re.compile(rf"\.{re.escape(target.name)}\.\d+-[0-9a-f]{{8}}\.tmp")
    removed = 0
    with contextlib.suppress(OSError):
        for file in list(target.parent.iterdir()):
            if left.fullmatch(file.name) and file.is_file():
                file.unlink(missing_ok=True)
                removed += 1
    return removed


def remove_dead_leftovers(folder: Path) -> int:
    """Remove what writers of YAML files in `folder` have left there, if they run no more. Return the number of files.

    A folder that can't be listed or changed is left as it is.
    """
    left = re.compile(r"\..+\.yaml\.(\d+)-[0-9a-f]{8}\.tmp")
    removed = 0
    with contextlib.suppress(OSError):
        for file in list(folder.iterdir()):
            writer = left.fullmatch(file.name)
            # Another show may be writing there, on another machine too. A write takes far less than an hour.
            if writer is None or not file.is_file():
                continue
            if not psutil.pid_exists(int(writer[1][:9])) or time.time() - file.stat().st_mtime > 3600:
                file.unlink(missing_ok=True)
                removed += 1
    return removed


def _sync_folder(folder: Path) -> None:
    """Flush a folder, without which a rename in it is not on the disk. Windows has no such call."""
    if os.name != "posix":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
