"""SHA-256 of large files, kept in the user's cache folder, so that a start does not read gigabytes of weights for it.

A kept digest holds as long as the file is the same one (path, inode), of the same size, and neither its content nor its
attributes were touched since (times of modification and of change, in nanoseconds). A copy that keeps its modification
time has another time of change, which no program can set. On Windows that time is the time of creation. A file that is
overwritten there in place, at the same size and with its old modification time, is not noticed until ``models check``
reads it.
"""

import hashlib
import json
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from os import stat_result
from pathlib import Path

import platformdirs

from presets.atomic_write import write_atomically

SMALLEST_KEPT = 16_000_000
"""Bytes from which a digest is kept. Smaller files are read in milliseconds."""

SETTLED = 2.0
"""Seconds that a file must have been left alone. Some file systems count time in steps of two seconds."""

LONGEST_ENTRY = 10_000


def digest_folder() -> Path:
    """Return the folder of the kept digests."""
    return Path(platformdirs.user_cache_dir("streamflow-live")) / "digests"


def file_digest(path: Path) -> bytes:
    """Return the SHA-256 of a file's content, 32 bytes: kept from before, or computed. Raises `OSError`."""
    status = path.stat()
    kept = _kept(_entry(path), _stamp(status)) if status.st_size >= SMALLEST_KEPT else None
    return kept or fresh_digest(path)


def fresh_digest(path: Path) -> bytes:
    """Return the SHA-256 of a file's content, 32 bytes, computed now, and keep it. Raises `OSError`."""
    status = path.stat()
    settled = time.time() - max(status.st_mtime, status.st_ctime) > SETTLED
    digest = _read_digest(path)
    if status.st_size >= SMALLEST_KEPT and settled and _stamp(path.stat()) == _stamp(status):
        _keep(path, status, digest)
    return digest


def keep_digests(digests: Mapping[Path, bytes], sleep: Callable[[float], None] = time.sleep) -> None:
    """Keep the SHA-256 of files that this process has just written, so that nobody reads them for it.

    It sleeps until the last one has settled, `SETTLED` seconds at most. What can't be kept is computed when it is
    needed.
    """
    with suppress(OSError):
        large = {path: status for path in digests if (status := path.stat()).st_size >= SMALLEST_KEPT}
        written = max((max(each.st_mtime, each.st_ctime) for each in large.values()), default=0.0)
        if large and (rest := min(SETTLED, written + SETTLED - time.time())) > 0:
            sleep(rest)
        for path, status in large.items():
            if _stamp(path.stat()) == _stamp(status):
                _keep(path, status, digests[path])


def digest_of(folder: Path, files: Iterable[Path]) -> str:
    """Return the SHA-256 of files in a folder with their names, as hexadecimal digits. Raises `OSError`."""
    digest = hashlib.sha256()
    for path in sorted(files):
        digest.update(path.relative_to(folder).as_posix().encode())
        digest.update(file_digest(path))
    return digest.hexdigest()


def _entry(path: Path) -> Path:
    name = hashlib.sha256(str(path.resolve()).encode(errors="surrogateescape")).hexdigest()
    return digest_folder() / f"{name}.json"


def _keep(path: Path, status: stat_result, digest: bytes) -> None:
    with suppress(OSError):  # without a place to write, the next start reads the file again
        write_atomically(_entry(path), json.dumps({"stamp": _stamp(status), "sha256": digest.hex()}).encode())


def _read_digest(path: Path) -> bytes:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").digest()


def _stamp(status: stat_result) -> list[int]:
    return [status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino, status.st_dev]


def _kept(entry: Path, stamp: list[int]) -> bytes | None:
    """Return the digest in an entry if it is for this stamp. A damaged entry counts as none."""
    try:
        with entry.open("rb") as file:
            value = json.loads(file.read(LONGEST_ENTRY))
        digest = bytes.fromhex(value["sha256"])
        return digest if value["stamp"] == stamp and len(digest) == hashlib.sha256().digest_size else None
    except (OSError, ValueError, TypeError, KeyError, RecursionError):
        return None
