"""Staging folders of the engine cache: entries being written or removed, and leftovers of killed processes.

The folder name contains its writer, so that leftovers are recognised without a lock.
"""

import hashlib
import os
import platform
import re
import secrets
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil

from presets.errors import CacheError

STAGING_PREFIX = "new-"
"""Prefix of the names of staging folders."""

STAGING_NAME = re.compile(rf"{STAGING_PREFIX}(?P<host>[0-9a-f]{{8}})-(?P<process>[0-9]{{1,10}})-[0-9a-f]+")
"""Full name of a staging folder. Anything else in the cache folder belongs to somebody else and is never removed."""

ABANDONED_AFTER = 6 * 3600.0
"""Seconds without a write after which a staging folder counts as abandoned on any host. Writing an entry takes seconds,
and building what is written takes an hour or two at most."""


@contextmanager
def staging_folder(root: Path) -> Iterator[Path]:
    """Create a new folder in the cache and remove it at the end.

    Leftovers of earlier processes are removed first.

    Raises:
        CacheError: the folder can't be created.
    """
    folder = root / _staging_name()
    try:
        root.mkdir(parents=True, exist_ok=True)
        remove_leftovers(root)
        folder.mkdir()
    except OSError as error:
        raise write_error(root, error) from error
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def remove_entry(path: Path) -> None:
    """Remove an entry from the disk. It is renamed first, so that no process reads half of it.

    Raises `OSError`.
    """
    renamed = path.with_name(_staging_name())
    path.rename(renamed)
    with suppress(OSError):  # Windows can't delete open files; the next build removes them
        _delete(renamed)


def remove_leftovers(root: Path) -> int:
    """Remove the staging folders of processes that have ended, and return the bytes that this frees.

    A process of this host has ended if its id is not in use. The ids of other hosts and containers can't be looked up:
    their folders are removed `ABANDONED_AFTER` the last write.
    """
    freed = 0
    for path in root.glob(f"{STAGING_PREFIX}*"):
        if (name := STAGING_NAME.fullmatch(path.name)) is None:
            continue
        try:
            files = (path, *path.iterdir()) if _is_folder(path) else (path,)
            idle = time.time() - max(file.lstat().st_mtime for file in files)
            if idle > ABANDONED_AFTER or (name["host"] == _host() and not psutil.pid_exists(int(name["process"]))):
                size = folder_size(path)
                _delete(path)
                freed += size
        except (OSError, OverflowError):
            continue  # another process removes it, it can't be removed, or the process id is out of range
    return freed


def write_error(root: Path, error: OSError) -> CacheError:
    """Return the `CacheError` for a cache folder that can't be written."""
    return CacheError(f"The engine cache in {root} can't be written: {error.strerror or error}.")


def folder_size(path: Path) -> int:
    """Return the bytes of all files in a folder."""
    return sum(file.stat().st_size for file in path.rglob("*") if file.is_file())


def _delete(path: Path) -> None:
    """Delete a folder with its contents, or a file. Of a symbolic link only the link is deleted."""
    if _is_folder(path):
        shutil.rmtree(path)
    else:
        path.unlink()


def _is_folder(path: Path) -> bool:
    return path.is_dir() and not path.is_symlink()


def _staging_name() -> str:
    return f"{STAGING_PREFIX}{_host()}-{os.getpid()}-{secrets.token_hex(4)}"


def _host() -> str:
    """Return a digest of the host name and the process namespace, within which process ids are unique."""
    try:
        namespace = Path("/proc/self/ns/pid").stat().st_ino
    except OSError:
        namespace = 0
    return hashlib.sha256(f"{platform.node()} {namespace}".encode()).hexdigest()[:8]
