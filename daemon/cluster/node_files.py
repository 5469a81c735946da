"""`NodeFiles`: files of models on a machine that renders, kept by the hash of their contents."""

import hashlib
import os
import re
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

import platformdirs

from daemon.cluster.file_tree import BLOCK, FileTree
from presets.errors import ModelError

_DIGEST = re.compile(r"[0-9a-f]{64}")


class NodeFiles:
    """Contents in ``contents/HASH``, and trees of hard links to them in ``trees/HASH/NAME``. One thread only."""

    def __init__(self, folder: Path | None = None) -> None:
        """Use a folder, by default in the user's cache."""
        own = Path(platformdirs.user_cache_dir("streamflow-live", appauthor=False)) / "cluster"
        self._contents = (folder or own) / "contents"
        self._trees = (folder or own) / "trees"
        for each in (self._contents, self._trees):
            each.mkdir(parents=True, exist_ok=True)
        self._coming: dict[str, Path] = {}

    def missing(self, digests: Sequence[str]) -> list[str]:
        """Return the contents that are not here yet, each once."""
        return [digest for digest in dict.fromkeys(digests) if not (self._contents / _checked(digest)).is_file()]

    def write(self, digest: str, block: bytes) -> None:
        """Add a block to contents that come. Raises `OSError`."""
        path = self._coming.get(digest)
        if path is None:
            handle, name = tempfile.mkstemp(prefix=f".{_checked(digest)[:16]}-", dir=self._contents)
            os.close(handle)
            path = self._coming[digest] = Path(name)
        with path.open("ab") as file:
            file.write(block)

    def finish(self, digest: str) -> None:
        """Keep contents that are complete. Raises `ModelError` if they are not what their hash says."""
        if digest not in self._coming:
            self.write(digest, b"")
        path = self._coming.pop(digest)
        found = hashlib.sha256()
        with path.open("rb") as file:
            while block := file.read(BLOCK):
                found.update(block)
        if found.hexdigest() != digest:
            path.unlink()
            raise ModelError("A file was damaged on its way to a node.")
        path.replace(self._contents / digest)

    def tree(self, tree: FileTree) -> Path:
        """Return the path of a file or a folder whose contents are here, which is made if it is not there."""
        home = self._trees / tree.digest
        if not home.is_dir():
            new = Path(tempfile.mkdtemp(prefix=".", dir=self._trees))
            root = new / tree.name if tree.is_folder else new
            for entry in tree.entries:
                path = root.joinpath(*_parts(entry.name))
                path.parent.mkdir(parents=True, exist_ok=True)
                _link(self._contents / _checked(entry.digest), path)
            root.mkdir(exist_ok=True)
            try:
                new.rename(home)
            except OSError:  # another renderer of this node was quicker
                shutil.rmtree(new, ignore_errors=True)
        return home.joinpath(*_parts(tree.name))


def _link(contents: Path, path: Path) -> None:
    try:
        os.link(contents, path)
    except OSError:  # a file system without hard links
        shutil.copyfile(contents, path)


def _checked(digest: str) -> str:
    if not _DIGEST.fullmatch(digest):
        raise ModelError(f"{digest[:80]!r} is no hash.")
    return digest


def _parts(name: str) -> tuple[str, ...]:
    """Return the parts of a name. Raises `ModelError` for one that leads out of its folder."""
    path = PurePosixPath(name)
    if path.is_absolute() or not path.parts or ".." in path.parts or "\\" in name or ":" in name:
        raise ModelError(f"{name[:80]!r} is no name of a file in a folder.")
    return path.parts
