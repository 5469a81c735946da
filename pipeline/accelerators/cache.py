"""The engine cache: what took long to make is kept on disk, whole or not at all, and verified whenever it is read.

An entry is a folder, named by the digest of everything that made it what it is, with a manifest of its files. It is
written aside and renamed, so that a build that is killed leaves nothing that could be read.
"""

import hashlib
import json
import os
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, fields
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import platformdirs

from pipeline.accelerators.cache_aside import aside, remove, unwritable

MANIFEST = "entry.json"
FORMAT = 1
"""Of the manifest: raised when what is written there means something else."""


@dataclass(frozen=True)
class EngineKey:
    """Everything that makes an engine another one. Two engines of one key are the same."""

    accelerator: str
    version: str
    """Of what made it: `versions`."""
    part: str
    """denoiser, encoder, decoder; or what else is kept by itself."""
    weights: str
    """`Model.fingerprint`."""
    revision: int
    """`pipeline.graphs.REVISION`."""
    shapes: str
    """Sizes, rows and profiles, in words."""
    precision: str
    device: str = "any"
    """The compute capability, or several, that it runs on."""
    driver: str = "any"
    adapters: tuple[str, ...] = ()
    """Digests of the adapters in the weights, with their strengths."""

    @property
    def digest(self) -> str:
        """Of all the parts."""
        return hashlib.sha256(json.dumps(asdict(self), sort_keys=True).encode()).hexdigest()

    @property
    def folder(self) -> str:
        """The entry's name: readable in front, exact behind."""
        return f"{self.accelerator}-{self.part}-{self.digest[:32]}"


def versions(*packages: str) -> str:
    """Installed packages with their versions, for `EngineKey.version`: ``openvino 2026.4.1, torch 2.13.0``."""
    # Without torch's "+cpu" and "+cu130": what is converted by one of them is what the other would make.
    return ", ".join(f"{name} {installed(name).partition('+')[0] or 'absent'}" for name in packages)


def installed(package: str) -> str:
    """The version of an installed package, or nothing."""
    try:
        return version(package)
    except PackageNotFoundError:
        return ""


def root_folder(asked: Path | None = None) -> Path:
    """Where engines are kept: the folder asked for, or the user's cache folder."""
    return asked or Path(platformdirs.user_cache_dir("streamflow-live")) / "engines"


def lookup(root: Path, key: EngineKey) -> tuple[Path | None, str]:
    """The whole entry of this key; or None, and why if there is one that is not whole."""
    path = root / key.folder
    if not os.path.lexists(path):
        return None, ""
    reason = whole(path, key)
    return (None, reason) if reason else (path, "")


def whole(path: Path, key: EngineKey | None = None, thorough: bool = True) -> str:
    """Why an entry must not be read, in words; empty if every file is there as it was written.

    Args:
        path: The entry's folder.
        key: What it is wanted for; None takes what its name says.
        thorough: Reads every byte, gigabytes a second or two; otherwise sizes have to do.
    """
    try:
        manifest = json.loads((path / MANIFEST).read_bytes())
        if manifest["format"] != FORMAT:
            return f"its manifest has format {manifest['format']}, this version reads {FORMAT}"
        made, files = key_of(manifest), dict(manifest["files"])
        expected = {str(name): (int(said["bytes"]), str(said["sha256"])) for name, said in files.items()}
    except (OSError, ValueError, KeyError, TypeError) as error:
        return f"its manifest can't be read ({type(error).__name__}: {error})"
    if key is not None and made != key:
        return f"it was made for something else: {_difference(made, key)}"
    if made.folder != path.name:
        return "its manifest is another entry's"
    try:
        there = {file.name for file in path.iterdir()} - {MANIFEST}
        for name in sorted(there ^ expected.keys()):
            return f"{name} is missing" if name in expected else f"{name} does not belong to it"
        for name, (size, digest) in expected.items():
            if (path / name).stat().st_size != size:
                return f"{name} has another length than was written"
            if thorough and _digest(path / name) != digest:
                return f"{name} has changed since it was written"
    except OSError as error:
        return f"it can't be read ({error.strerror or error})"
    return ""


def keep(root: Path, key: EngineKey, write: Callable[[Path], None], made_for: str = "") -> Path:
    """Keeps what `write` puts into the folder it is handed; that folder is renamed once all of it is there.

    Where another process has kept the same meanwhile, that one stays.

    Raises:
        CacheError: the disk is full or the folder can't be written; nothing is left of it.
    """
    entry = root / key.folder
    with aside(root) as folder:
        try:
            write(folder)
            files = {file.name: _described(file) for file in sorted(folder.iterdir())}
            manifest = {"format": FORMAT, "key": asdict(key), "made_for": made_for, "made_at": time.time()}
            (folder / MANIFEST).write_text(json.dumps(manifest | {"files": files}, indent=1), encoding="utf-8")
            if os.path.lexists(entry) and whole(entry, key):
                remove(entry)
            if not os.path.lexists(entry):
                folder.rename(entry)
        except OSError as error:
            raise unwritable(root, error) from error
    return entry


def forget(root: Path, key: EngineKey) -> None:
    """Removes the entry of this key, if there is one. Raises `CacheError`."""
    try:
        if os.path.lexists(root / key.folder):
            remove(root / key.folder)
    except OSError as error:
        raise unwritable(root, error) from error


def key_of(manifest: Any) -> EngineKey:
    """The key that a manifest tells. Raises `ValueError`, `KeyError` or `TypeError` where it tells none."""
    parts = dict(manifest["key"])
    return EngineKey(**{**parts, "adapters": tuple(parts["adapters"])})


def _difference(made: EngineKey, wanted: EngineKey) -> str:
    pairs = ((field.name, getattr(made, field.name), getattr(wanted, field.name)) for field in fields(EngineKey))
    return "; ".join(f"{name} {one!r} instead of {other!r}" for name, one, other in pairs if one != other)


def _described(file: Path) -> dict[str, object]:
    return {"bytes": file.stat().st_size, "sha256": _digest(file)}


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
