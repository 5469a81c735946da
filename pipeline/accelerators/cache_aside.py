"""Folders of the engine cache that are no entries: those being written or removed, and those left by killed processes.

Their names hold the writer, which tells a leftover from work in progress without a lock.
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

ASIDE = "new-"
"""Prefix of a folder that is being written."""

NAME = re.compile(rf"{ASIDE}(?P<writer>[0-9a-f]{{8}})-(?P<process>[0-9]{{1,10}})-[0-9a-f]+")
"""Full name of such a folder. A cache may lie among other files, and nothing else is removed."""

ABANDONED = 6 * 3600.0
"""Seconds without a write after which such a folder is a leftover, on whatever machine its writer ran. A write takes
seconds, and a build from it an hour or two."""


@contextmanager
def aside(root: Path) -> Iterator[Path]:
    """Yield a new folder in the cache, which is removed afterwards, at the latest by the next build.

    Raises:
        CacheError: it can't be made.
    """
    folder = root / _name()
    try:
        root.mkdir(parents=True, exist_ok=True)
        remove_leftovers(root)
        folder.mkdir()
    except OSError as error:
        raise unwritable(root, error) from error
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def remove(path: Path) -> None:
    """Remove an entry from the disk. It is renamed first, so that no reader sees half of it.

    Raises `OSError`.
    """
    doomed = path.with_name(_name())
    path.rename(doomed)
    with suppress(OSError):  # a file that is open on Windows goes with the next build
        _erase(doomed)


def remove_leftovers(root: Path) -> int:
    """Remove what dead builds were writing, and return the bytes that this freed.

    A writer is dead if this machine has no process of its number. One on another machine or in another container, which
    have numbers of their own, is dead if nothing was written for hours.
    """
    freed = 0
    for path in root.glob(f"{ASIDE}*"):
        if (name := NAME.fullmatch(path.name)) is None:
            continue
        try:
            files = (path, *path.iterdir()) if _is_folder(path) else (path,)
            silent = time.time() - max(file.lstat().st_mtime for file in files)
            if silent > ABANDONED or (name["writer"] == _writer() and not psutil.pid_exists(int(name["process"]))):
                size = size_of(path)
                _erase(path)
                freed += size
        except (OSError, OverflowError):
            continue  # another process removes it too, or it belongs to another user, or the number is too large
    return freed


def unwritable(root: Path, error: OSError) -> CacheError:
    """Return the error of a cache that can't be written."""
    return CacheError(f"What was built can't be kept in {root}: {error.strerror or error}.")


def size_of(path: Path) -> int:
    """Return the bytes of all files in a folder."""
    return sum(file.stat().st_size for file in path.rglob("*") if file.is_file())


def _erase(path: Path) -> None:
    """Remove a folder with its content, or a link itself."""
    if _is_folder(path):
        shutil.rmtree(path)
    else:
        path.unlink()


def _is_folder(path: Path) -> bool:
    return path.is_dir() and not path.is_symlink()


def _name() -> str:
    return f"{ASIDE}{_writer()}-{os.getpid()}-{secrets.token_hex(4)}"


def _writer() -> str:
    """Return the namespace in which process numbers are unique: this machine, or a container on it."""
    try:
        namespace = Path("/proc/self/ns/pid").stat().st_ino
    except OSError:
        namespace = 0
    return hashlib.sha256(f"{platform.node()} {namespace}".encode()).hexdigest()[:8]
