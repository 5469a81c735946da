"""Repositories in huggingface_hub's cache on this disk, which other programs fill. Nothing is asked online."""

import hashlib
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from daemon.models.download import BLOCK
from daemon.models.file_plan import RemoteFile, checked_listing
from presets.errors import ModelError

_SHA256 = re.compile("[0-9a-f]{64}")
_GIT_SHA1 = re.compile("[0-9a-f]{40}")


class CachedRepository:
    """A repository of the cache at one commit."""

    licence = ""
    """The cache holds no licence."""

    def __init__(self, hub_id: str, revision: str, cache: Path | None = None) -> None:
        """Find the files of a commit; an empty `revision` is the one that ``main`` was last. Raises `ModelError`."""
        self.hub_id = hub_id
        folder = (cache or _cache()) / f"models--{hub_id.replace('/', '--')}"
        self.revision = revision or _newest(folder)
        self._snapshot = folder / "snapshots" / self.revision
        if not self.revision or not self._snapshot.is_dir():
            at = f" at {revision[:12]}" if revision else ""
            raise ModelError(f"{folder.parent} does not hold {hub_id}{at}. Pull it without --offline.")
        self.files: Mapping[str, RemoteFile] = checked_listing(hub_id, self._listing())

    def fetch(self, file: RemoteFile, sink: Any, have: int) -> None:
        """Copy the bytes of a file from position `have` into a sink. Raises `ModelError`."""
        try:
            with (self._snapshot / file.path).open("rb") as source:
                source.seek(have)
                while block := source.read(BLOCK):
                    sink.write(block)
        except OSError as error:
            raise ModelError(f"{self._snapshot / file.path} can't be read: {error.strerror or error}.") from error

    def _listing(self) -> Iterator[RemoteFile]:
        for path in sorted(self._snapshot.rglob("*")):
            if path.is_file():
                # A blob of the cache is named by its checksum. Without links, files have their own names.
                blob = path.resolve().name
                sha256 = blob if _SHA256.fullmatch(blob) else ""
                git_sha1 = blob if _GIT_SHA1.fullmatch(blob) else ""
                if not (sha256 or git_sha1):
                    with path.open("rb") as file:
                        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
                name = path.relative_to(self._snapshot).as_posix()
                yield RemoteFile(name, path.stat().st_size, sha256, git_sha1)


def _cache() -> Path:
    from huggingface_hub.constants import HF_HUB_CACHE

    return Path(HF_HUB_CACHE)


def _newest(folder: Path) -> str:
    """Return the commit that ``main`` was when it was asked last, empty if it is not known."""
    try:
        found = (folder / "refs" / "main").read_text(encoding="utf-8").strip()
    except (OSError, ValueError):
        return ""
    return found if _GIT_SHA1.fullmatch(found) else ""
