"""Folders of the engine cache that are no entries: being written or being removed, and left over by who was killed.

Their names say who writes them, so that what was left over is told from what is at work without a lock.
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
"""What the folders begin with that are being written."""

NAME = re.compile(rf"{ASIDE}(?P<writer>[0-9a-f]{{8}})-(?P<process>[0-9]{{1,10}})-[0-9a-f]+")
"""Theirs alone: a cache may lie among other things, of which nothing is removed."""

ABANDONED = 6 * 3600.0
"""Seconds without a write after which such a folder is nobody's, wherever its writer ran: writing takes seconds, and
building from what was written an hour or two."""


@contextmanager
def aside(root: Path) -> Iterator[Path]:
    """A new folder in the cache that is gone afterwards, at the latest when the next build finds it left over.

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
    """Takes an entry off the disk; renamed first, so that nobody reads what is half gone.

    Raises `OSError`.
    """
    doomed = path.with_name(_name())
    path.rename(doomed)
    with suppress(OSError):  # what is open on Windows goes with the next build
        _erase(doomed)


def remove_leftovers(root: Path) -> int:
    """Removes what builds that are gone were writing, and answers its bytes.

    A writer is gone when this machine has no process of its number; one of another machine or container, which share
    no numbers, when nothing was written for hours.
    """
    freed = 0
    for path in root.glob(f"{ASIDE}*"):
        if (name := NAME.fullmatch(path.name)) is None:
            continue
        try:
            there = (path, *path.iterdir()) if _is_folder(path) else (path,)
            silent = time.time() - max(file.lstat().st_mtime for file in there)
            if silent > ABANDONED or (name["writer"] == _writer() and not psutil.pid_exists(int(name["process"]))):
                size = size_of(path)
                _erase(path)
                freed += size
        except (OSError, OverflowError):
            continue  # another process removes it too, or it is not ours to remove, or no process has such a number
    return freed


def unwritable(root: Path, error: OSError) -> CacheError:
    """The sentence for a cache that can't be written."""
    return CacheError(f"What was built can't be kept in {root}: {error.strerror or error}.")


def size_of(path: Path) -> int:
    """Bytes of all the files in a folder."""
    return sum(file.stat().st_size for file in path.rglob("*") if file.is_file())


def _erase(path: Path) -> None:
    """A folder with all that is in it; of a link only itself."""
    if _is_folder(path):
        shutil.rmtree(path)
    else:
        path.unlink()


def _is_folder(path: Path) -> bool:
    return path.is_dir() and not path.is_symlink()


def _name() -> str:
    return f"{ASIDE}{_writer()}-{os.getpid()}-{secrets.token_hex(4)}"


def _writer() -> str:
    """The room in which process numbers mean something: this machine, and in it this container."""
    try:
        room = Path("/proc/self/ns/pid").stat().st_ino
    except OSError:
        room = 0
    return hashlib.sha256(f"{platform.node()} {room}".encode()).hexdigest()[:8]
