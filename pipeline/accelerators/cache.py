"""The engine cache: results of long builds, kept on disk whole or not at all, and verified at every read.

An entry is a folder named by the digest of its key, with a manifest of its files. It is written aside and then renamed,
so that a killed build leaves nothing that could be read.
"""

import hashlib
import json
import os
import stat
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import platformdirs

from pipeline.accelerators.cache_aside import aside, remove, unwritable
from pipeline.accelerators.cache_manifest import FORMAT, difference
from pipeline.accelerators.cache_manifest import LARGEST as LARGEST
from pipeline.accelerators.cache_manifest import MANIFEST as MANIFEST
from pipeline.accelerators.cache_manifest import EngineKey as EngineKey
from pipeline.accelerators.cache_manifest import read_manifest as read_manifest


def card(capability: str, name: str) -> str:
    """Return the name of a card for `EngineKey.device`: ``8.9 NVIDIA GeForce RTX 4090``."""
    return f"{capability} {name}".strip()


def versions(*packages: str) -> str:
    """Return installed packages with their versions for `EngineKey.version`: ``openvino 2026.4.1, torch 2.13.0``."""
    # Without torch's "+cpu" and "+cu130", whose conversions are equal.
    return ", ".join(f"{name} {installed(name).partition('+')[0] or 'absent'}" for name in packages)


def installed(package: str) -> str:
    """Return the version of an installed package; empty if it is not installed."""
    try:
        return version(package)
    except (PackageNotFoundError, ValueError):  # an empty name raises ValueError
        return ""


def root_folder(asked: Path | None = None) -> Path:
    """Return the folder of the engine cache: the one asked for, or that of the user's cache folder."""
    return asked or Path(platformdirs.user_cache_dir("streamflow-live")) / "engines"


def lookup(root: Path, key: EngineKey) -> tuple[Path | None, str]:
    """Return the whole entry of this key; or None, and the reason if there is one that is not whole."""
    path = root / key.folder
    if not os.path.lexists(path):
        return None, ""
    reason = whole(path, key)
    return (None, reason) if reason else (path, "")


def whole(path: Path, key: EngineKey | None = None, thorough: bool = True) -> str:
    """Return the reason why an entry must not be read; empty if every file is as it was written.

    Args:
        path: Folder of the entry.
        key: Key that it is needed for; None takes the one of its manifest.
        thorough: Reads every byte, one or two gigabytes per second; otherwise checks the sizes only.
    """
    try:
        made, _, _, expected = read_manifest(path)
    except OSError as error:
        return f"its manifest can't be read: {error.strerror or error}"
    except ValueError as error:
        return f"its manifest can't be read: {error}"
    if key is not None and made != key:
        return f"it was made for something else: {difference(made, key)}"
    if made.folder != path.name:
        return "its manifest is another entry's"
    try:
        there = {file.name for file in path.iterdir()} - {MANIFEST}
        for name in sorted(there ^ expected.keys()):
            shown = name.encode(errors="replace").decode()
            return f"{shown} is missing" if name in expected else f"{shown} does not belong to it"
        for name, (size, digest) in expected.items():
            about = (path / name).stat()
            if not stat.S_ISREG(about.st_mode):  # a pipe would block its reader
                return f"{name} is no ordinary file"
            if about.st_size != size:
                return f"{name} has another length than was written"
            if thorough and _digest(path / name) != digest:
                return f"{name} has changed since it was written"
    except OSError as error:
        return f"it can't be read ({error.strerror or error})"
    return ""


def keep(root: Path, key: EngineKey, write: Callable[[Path], None], made_for: str = "") -> Path:
    """Keep what `write` puts into the folder it is given. That folder is renamed once it is complete.

    If another process has kept the same meanwhile, its entry stays.

    Raises:
        CacheError: the disk is full or the folder can't be written. Nothing is left of the entry.
    """
    entry = root / key.folder
    with aside(root) as folder:
        try:
            write(folder)
            files = {file.name: _described(file) for file in sorted(folder.iterdir())}
            manifest = {"format": FORMAT, "key": asdict(key), "made_for": made_for, "made_at": time.time()}
            (folder / MANIFEST).write_text(json.dumps(manifest | {"files": files}, indent=1), encoding="utf-8")
            if os.path.lexists(entry) and whole(entry, key):
                with suppress(FileNotFoundError):  # another process removed it first
                    remove(entry)
            _put(folder, entry, key)
        except OSError as error:
            raise unwritable(root, error) from error
    return entry


def forget(root: Path, key: EngineKey) -> None:
    """Remove the entry of this key, if there is one. Raises `CacheError`."""
    try:
        if os.path.lexists(root / key.folder):
            remove(root / key.folder)
    except OSError as error:
        raise unwritable(root, error) from error


def _put(folder: Path, entry: Path, key: EngineKey) -> None:
    try:
        folder.rename(entry)
    except OSError:
        if whole(entry, key):
            raise  # otherwise another process was first, and its entry stays


def _described(file: Path) -> dict[str, object]:
    return {"bytes": file.stat().st_size, "sha256": _digest(file)}


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
