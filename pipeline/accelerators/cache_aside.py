"""Folders of the engine cache that are no entries: being written or being removed, and left over by who was killed.

Their names say who writes them, so that what was left over is told from what is at work without a lock.
"""

import hashlib
import os
import platform
import secrets
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

from presets.errors import CacheError

ASIDE = "new-"
"""What the folders begin with that are being written."""

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
    shutil.rmtree(doomed, ignore_errors=True)  # what is open on Windows goes with the next build


def remove_leftovers(root: Path) -> int:
    """Removes what builds that are gone were writing, and answers its bytes.

    A writer is gone when this machine has no process of its number; one of another machine or container, which share
    no numbers, when nothing was written for hours.
    """
    freed = 0
    for path in root.glob(f"{ASIDE}*"):
        writer, _, process = path.name.removeprefix(ASIDE).partition("-")
        number = process.partition("-")[0]
        try:
            here = writer == _writer() and number.isdecimal()
            silent = time.time() - max(file.stat().st_mtime for file in (path, *path.iterdir()))
            if silent > ABANDONED or (here and not psutil.pid_exists(int(number))):
                size = size_of(path)
                shutil.rmtree(path)
                freed += size
        except OSError:
            continue  # another process removes it too, or it is not ours to remove
    return freed


def unwritable(root: Path, error: OSError) -> CacheError:
    """The sentence for a cache that can't be written."""
    return CacheError(f"What was built can't be kept in {root}: {error.strerror or error}.")


def size_of(path: Path) -> int:
    """Bytes of all the files in a folder."""
    return sum(file.stat().st_size for file in path.rglob("*") if file.is_file())


def _name() -> str:
    return f"{ASIDE}{_writer()}-{os.getpid()}-{secrets.token_hex(4)}"


def _writer() -> str:
    """The room in which process numbers mean something: this machine, and in it this container."""
    try:
        room = Path("/proc/self/ns/pid").stat().st_ino
    except OSError:
        room = 0
    return hashlib.sha256(f"{platform.node()} {room}".encode()).hexdigest()[:8]
