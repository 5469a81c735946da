"""The engine cache: what took long to make is kept on disk, whole or not at all, and verified whenever it is read.

An entry is a folder, named by the digest of everything that made it what it is, with a manifest of its files. It is
written aside and renamed, so that a build that is killed leaves nothing that could be read.
"""

import hashlib
import json
import os
import platform
import secrets
import shutil
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, fields
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import NamedTuple

import platformdirs
import psutil

from presets.errors import CacheError

MANIFEST = "entry.json"
FORMAT = 1
"""Of the manifest: raised when what is written there means something else."""

ASIDE = "new-"
"""What the folders begin with that are being written."""

ABANDONED = 3600.0
"""Seconds without a write after which such a folder is nobody's, wherever its writer ran. Writing takes seconds."""


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


class Entry(NamedTuple):
    """What is kept, as far as it can be told."""

    path: Path
    key: EngineKey | None
    """None where the manifest can't be read."""
    made_for: str
    """A model's name and a size, for people; no part of the key."""
    made_at: float
    """Unix time."""
    size: int
    """bytes"""


def versions(*packages: str) -> str:
    """Installed packages with their versions, for `EngineKey.version`: ``openvino 2026.4.1, torch 2.13.0``."""
    return ", ".join(f"{name} {installed(name) or 'absent'}" for name in packages)


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
        made, files = _key(manifest), dict(manifest["files"])
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
    aside = root / f"{ASIDE}{_writer()}-{os.getpid()}-{secrets.token_hex(4)}"
    try:
        root.mkdir(parents=True, exist_ok=True)
        remove_leftovers(root)
        aside.mkdir()
        write(aside)
        files = {path.name: {"bytes": path.stat().st_size, "sha256": _digest(path)} for path in sorted(aside.iterdir())}
        manifest = {"format": FORMAT, "key": asdict(key), "made_for": made_for, "made_at": time.time(), "files": files}
        (aside / MANIFEST).write_text(json.dumps(manifest, indent=1), encoding="utf-8")
        if os.path.lexists(entry) and whole(entry, key):
            # Renamed away first: a process that is reading it must not find half of each.
            old = aside.with_name(f"{aside.name}-old")
            entry.rename(old)
            remove(old)
        if not os.path.lexists(entry):
            aside.rename(entry)
    except OSError as error:
        raise CacheError(f"What was built can't be kept in {root}: {error.strerror or error}.") from error
    finally:
        shutil.rmtree(aside, ignore_errors=True)
    return entry


def entries(root: Path) -> list[Entry]:
    """All that is kept, the newest first; whole or not."""
    found = []
    for path in root.iterdir() if root.is_dir() else ():
        if path.name.startswith(ASIDE) or path.is_symlink() or not path.is_dir():
            continue
        made_for, made_at, key = "", path.stat().st_mtime, None
        try:
            manifest = json.loads((path / MANIFEST).read_bytes())
            key = _key(manifest)
            made_for, made_at = str(manifest["made_for"]), float(manifest["made_at"])
        except (OSError, ValueError, KeyError, TypeError):
            pass  # `whole` says what is the matter with it
        found.append(Entry(path, key, made_for, made_at, _size(path)))
    return sorted(found, key=lambda entry: -entry.made_at)


def remove(path: Path) -> None:
    """Takes an entry off the disk; its manifest first, so that what is left of it when that is cut short is not read.

    Raises `OSError`.
    """
    (path / MANIFEST).unlink(missing_ok=True)
    shutil.rmtree(path)


def remove_leftovers(root: Path) -> int:
    """Removes what builds that are gone were writing, and answers its bytes.

    A writer is gone when this machine has no process of its number; one of another machine or container, which share
    no numbers, when nothing was written for an hour.
    """
    freed = 0
    for path in root.glob(f"{ASIDE}*"):
        writer, _, process = path.name.removeprefix(ASIDE).partition("-")
        number = process.partition("-")[0]
        try:
            here = writer == _writer() and number.isdecimal()
            silent = time.time() - max(file.stat().st_mtime for file in (path, *path.iterdir()))
            if silent > ABANDONED or (here and not psutil.pid_exists(int(number))):
                size = _size(path)
                shutil.rmtree(path)
                freed += size
        except OSError:
            continue  # another process removes it too, or it is not ours to remove
    return freed


def _writer() -> str:
    """The room in which process numbers mean something: this machine, and in it this container."""
    try:
        room = Path("/proc/self/ns/pid").stat().st_ino
    except OSError:
        room = 0
    return hashlib.sha256(f"{platform.node()} {room}".encode()).hexdigest()[:8]


def _key(manifest: dict[str, dict[str, str]]) -> EngineKey:
    parts = dict(manifest["key"])
    return EngineKey(**{**parts, "adapters": tuple(parts["adapters"])})  # type: ignore[arg-type]


def _difference(made: EngineKey, wanted: EngineKey) -> str:
    pairs = ((field.name, getattr(made, field.name), getattr(wanted, field.name)) for field in fields(EngineKey))
    return "; ".join(f"{name} {one!r} instead of {other!r}" for name, one, other in pairs if one != other)


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _size(path: Path) -> int:
    return sum(file.stat().st_size for file in path.rglob("*") if file.is_file())
