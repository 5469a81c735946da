"""The engine cache on disk. Entries are written atomically and verified whenever they are read.

An entry is a folder with a manifest of its files, named by the digest of its `EngineKey`. It is written to a staging
folder and renamed, so that a killed build leaves no partial entry.
"""

import os
import stat
from collections.abc import Callable
from contextlib import suppress
from dataclasses import fields
from pathlib import Path

import platformdirs

from pipeline.accelerators.cache_manifest import MANIFEST, digest, read_manifest, write_manifest
from pipeline.accelerators.cache_staging import remove_entry, staging_folder, write_error
from pipeline.accelerators.engine_key import EngineKey


def root_folder(root: Path | None = None) -> Path:
    """Return the folder of the engine cache: `root`, or a folder in the user's cache folder if it is None."""
    return root or Path(platformdirs.user_cache_dir("streamflow-live")) / "engines"


def lookup(root: Path, key: EngineKey) -> tuple[Path | None, str]:
    """Return the entry with this key and an empty text.

    Without an entry, return None and an empty text. If the entry is damaged, return None and the reason.
    """
    path = root / key.folder
    if not os.path.lexists(path):
        return None, ""
    reason = damage(path, key)
    return (None, reason) if reason else (path, "")


def damage(path: Path, key: EngineKey | None = None, thorough: bool = True) -> str:
    """Return the reason why an entry must not be used, or an empty text if all its files are as they were written.

    Args:
        path: Folder of the entry.
        key: Key that the entry must have. None takes the key in the manifest.
        thorough: Read every file and verify its SHA-256. False compares sizes only.
    """
    try:
        found, _, _, files = read_manifest(path)
    except OSError as error:
        return f"its manifest can't be read: {error.strerror or error}"
    except ValueError as error:
        return f"its manifest can't be read: {error}"
    if key is not None and found != key:
        return f"it was made for another key: {_difference(found, key)}"
    if found.folder != path.name:
        return "its manifest belongs to another entry"
    try:
        return _file_damage(path, files, thorough)
    except OSError as error:
        return f"it can't be read ({error.strerror or error})"


def store(root: Path, key: EngineKey, write: Callable[[Path], None], made_for: str = "") -> Path:
    """Store the files that `write` puts into the folder it is given, and return the folder of the entry.

    If another process stores the same key first, its entry stays. An exception of `write` other than `OSError` passes
    through.

    Raises:
        CacheError: the disk is full or the folder can't be written. No partial entry is left.
    """
    entry = root / key.folder
    with staging_folder(root) as folder:
        try:
            write(folder)
            write_manifest(folder, key, made_for)
            if os.path.lexists(entry) and damage(entry, key):
                with suppress(FileNotFoundError):  # another process removed it first
                    remove_entry(entry)
            _publish(folder, entry, key)
        except OSError as error:
            raise write_error(root, error) from error
    return entry


def delete(root: Path, key: EngineKey) -> None:
    """Delete the entry with this key, if there is one. Raises `CacheError`."""
    try:
        if os.path.lexists(root / key.folder):
            remove_entry(root / key.folder)
    except OSError as error:
        raise write_error(root, error) from error


def _file_damage(path: Path, files: dict[str, tuple[int, str]], thorough: bool) -> str:
    present = {file.name for file in path.iterdir()} - {MANIFEST}
    for name in sorted(present ^ files.keys()):
        printable = name.encode(errors="replace").decode()
        return f"{printable} is missing" if name in files else f"{printable} does not belong to it"
    for name, (size, sha256) in files.items():
        status = (path / name).stat()
        if not stat.S_ISREG(status.st_mode):  # opening a named pipe would block
            return f"{name} is not a regular file"
        if status.st_size != size:
            return f"{name} has {status.st_size} bytes instead of {size}"
        if thorough and digest(path / name) != sha256:
            return f"{name} has changed since it was written"
    return ""


def _publish(folder: Path, entry: Path, key: EngineKey) -> None:
    try:
        folder.rename(entry)
    except OSError:
        if damage(entry, key):
            raise  # a valid entry means that another process was first, and its entry stays


def _difference(found: EngineKey, wanted: EngineKey) -> str:
    pairs = ((field.name, getattr(found, field.name), getattr(wanted, field.name)) for field in fields(EngineKey))
    return "; ".join(f"{name} {one!r} instead of {other!r}" for name, one, other in pairs if one != other)
