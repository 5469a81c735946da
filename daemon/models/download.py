"""One file of a repository: written beside its place, continued where it stopped, moved there when verified."""

import errno
import hashlib
from pathlib import Path
from typing import IO

from daemon.models.file_plan import PlannedFile, Progress, RemoteFile
from presets.errors import ModelError

BLOCK = 1 << 20
"""Bytes that are read at once."""


class VerifiedSink:
    """A file that is written and hashed at once: a binary file as far as a download needs one."""

    def __init__(self, file: IO[bytes], remote: RemoteFile, on_bytes: Progress) -> None:
        """Hash what `file` holds already. It is open for reading and writing, and stands at its end afterwards."""
        self._file = file
        self._remote = remote
        self._on_bytes = on_bytes
        self.size = 0
        self._restart(file.seek(0, 2))

    def write(self, data: bytes) -> int:
        """Append bytes. Raises `ModelError` if there are more than the file has, and for a full disk."""
        if self.size + len(data) > self._remote.size:
            raise ModelError(f"{self._remote.path} is longer than its {self._remote.size} bytes. Pull the model again.")
        try:
            self._file.write(data)
        except OSError as error:
            raise disk_error(self._remote.path, error) from error
        self._hash(data)
        self._on_bytes(len(data))
        return len(data)

    def tell(self) -> int:
        """Return the position."""
        return self._file.tell()

    def seek(self, position: int, whence: int = 0) -> int:
        """Move to a position, from which `truncate` begins again."""
        return self._file.seek(position, whence)

    def truncate(self, size: int | None = None) -> int:
        """Forget everything from the position on: the sender begins again from there."""
        position = self._file.tell() if size is None else size
        self._file.truncate(position)
        self._on_bytes(position - self.size)
        self._restart(position)
        return position

    def flush(self) -> None:
        """Hand what is written to the system. Raises `ModelError` for a full disk."""
        try:
            self._file.flush()
        except OSError as error:
            raise disk_error(self._remote.path, error) from error

    def problem(self) -> str:
        """Return the reason why the file is not what was listed, or an empty text."""
        if self.size != self._remote.size:
            return f"it has {self.size} of {self._remote.size} bytes"
        if self._remote.sha256 and self._sha256.hexdigest() != self._remote.sha256:
            return f"its SHA-256 is {self._sha256.hexdigest()}, and {self._remote.sha256} was listed"
        if self._remote.git_sha1 and not self._remote.sha256 and self._git.hexdigest() != self._remote.git_sha1:
            return f"its checksum is {self._git.hexdigest()}, and {self._remote.git_sha1} was listed"
        return ""

    @property
    def sha256(self) -> str:
        """SHA-256 of everything written."""
        return self._sha256.hexdigest()

    def _restart(self, size: int) -> None:
        self._sha256 = hashlib.sha256()
        self._git = hashlib.sha1(f"blob {self._remote.size}\0".encode(), usedforsecurity=False)
        self.size = 0
        self._file.seek(0)
        while self.size < size and (block := self._file.read(min(BLOCK, size - self.size))):
            self._hash(block)

    def _hash(self, data: bytes) -> None:
        self._sha256.update(data)
        self._git.update(data)
        self.size += len(data)


def fetch_file(planned: PlannedFile, folder: Path, on_bytes: Progress) -> str:
    """Bring a file into a folder and return its SHA-256. One that is there and right is not fetched again.

    Raises:
        ModelError: it can't be fetched or written, or is not what was listed. What is right so far stays for the next
            time.
    """
    remote, target = planned.remote, folder / planned.local
    part = target.with_name(f"{target.name}.{(remote.sha256 or remote.git_sha1)[:16]}.part")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        if target.is_file():
            if target.stat().st_size == remote.size:
                target.replace(part)
            else:
                target.unlink()  # another file, such as one that was composed: nothing of it can be continued
        if part.is_file() and part.stat().st_size > remote.size:
            part.unlink()
        file = part.open("r+b" if part.is_file() else "w+b")
    except OSError as error:
        raise disk_error(planned.local, error) from error
    with file:
        sink = VerifiedSink(file, remote, on_bytes)
        on_bytes(sink.size)
        if sink.size == remote.size and sink.problem():  # another version of the same size
            sink.seek(0)
            sink.truncate()
        if sink.size < remote.size:
            planned.repository.fetch(remote, sink, sink.size)
            sink.flush()
        problem = sink.problem()
    if problem:
        if sink.size >= remote.size:
            part.unlink(missing_ok=True)
        raise ModelError(f"{planned.repository.hub_id}: {remote.path} came wrong: {problem}. Pull the model again.")
    part.replace(target)
    return sink.sha256


def disk_error(path: str, error: OSError) -> ModelError:
    """Return the error for a file that can't be written."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return ModelError(
            f"The disk is full: {path} can't be written. Make room and pull the model again; it continues."
        )
    return ModelError(f"{path} can't be written: {error.strerror or error}.")
