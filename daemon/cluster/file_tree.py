"""`FileTree`: a file or a folder as a list of names with the hashes of their contents. Equal contents are one tree."""

import hashlib
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from presets.errors import ModelError

BLOCK = 1 << 22
"""Bytes that are read at once."""


class FileEntry(NamedTuple):
    """One file of a tree."""

    name: str
    """Path below the tree's folder, with slashes."""
    digest: str
    """SHA-256 of the contents, in hexadecimal digits."""
    size: int
    """Bytes."""


class FileTree(NamedTuple):
    """A file or a folder by its contents."""

    name: str
    """Name of the file or the folder itself."""
    entries: tuple[FileEntry, ...]
    """Files, by name. A tree that is a file has one, with the name of the tree."""
    is_folder: bool

    @property
    def digest(self) -> str:
        """SHA-256 of the whole tree, in hexadecimal digits."""
        return hashlib.sha256(json.dumps(self).encode()).hexdigest()


class ContentHashes:
    """Hashes of files that were read before, while their size and time of change stay. One thread only."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, int, int], str] = {}

    def tree(self, path: Path) -> FileTree:
        """Return the tree of a file or a folder. Raises `ModelError` if it can't be read."""
        try:
            if not path.is_dir():
                return FileTree(path.name, (self._entry(path.name, path),), False)
            files = sorted(each for each in _files(path))
            entries = tuple(self._entry(each.relative_to(path).as_posix(), each) for each in files)
            return FileTree(path.resolve().name, entries, True)
        except OSError as error:
            raise ModelError(f"{error.filename or path} can't be read: {error.strerror or error}.") from error

    def _entry(self, name: str, path: Path) -> FileEntry:
        found = path.stat()
        key = str(path), found.st_size, found.st_mtime_ns
        if key not in self._known:
            digest = hashlib.sha256()
            with path.open("rb") as file:
                while block := file.read(BLOCK):
                    digest.update(block)
            self._known[key] = digest.hexdigest()
        return FileEntry(name, self._known[key], found.st_size)


def _files(folder: Path) -> Iterator[Path]:
    """Yield the files below a folder. Links are followed, as the hub's cache has them; hidden folders are left out."""
    for root, folders, names in os.walk(folder, followlinks=True):
        folders[:] = [name for name in folders if not name.startswith(".")]
        yield from (Path(root) / name for name in names)
