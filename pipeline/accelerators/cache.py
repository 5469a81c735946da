"""The engine cache: what took long to make is kept on disk, whole or not at all, and verified whenever it is read.

An entry is a folder, named by the digest of everything that made it what it is, with a manifest of its files. It is
written aside and renamed, so that a build that is killed leaves nothing that could be read.
"""

import hashlib
import json
import os
import stat
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass, fields
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, NamedTuple, TypeGuard

import platformdirs

from pipeline.accelerators.cache_aside import aside, remove, unwritable

MANIFEST = "entry.json"
FORMAT = 1
"""Of the manifest: raised when what is written there means something else."""

LARGEST = 1_000_000
"""Bytes of a manifest; what is longer was not written here."""
LATEST = 1e11
"""Unix time, millennia ahead: what is said to be made later is a number gone wrong."""


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
    """The compute capability that it runs on; a whole `card` where it is for no other."""
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


class Manifest(NamedTuple):
    """What an entry says of itself."""

    key: EngineKey
    made_for: str
    """A model's name and a size, for people; no part of the key."""
    made_at: float
    """Unix time."""
    files: dict[str, tuple[int, str]]
    """The bytes and the SHA-256 of each, by name."""


def card(capability: str, name: str) -> str:
    """One make of card, for `EngineKey.device`: ``8.9 NVIDIA GeForce RTX 4090``."""
    return f"{capability} {name}".strip()


def versions(*packages: str) -> str:
    """Installed packages with their versions, for `EngineKey.version`: ``openvino 2026.4.1, torch 2.13.0``."""
    # Without torch's "+cpu" and "+cu130": what is converted by one of them is what the other would make.
    return ", ".join(f"{name} {installed(name).partition('+')[0] or 'absent'}" for name in packages)


def installed(package: str) -> str:
    """The version of an installed package, or nothing."""
    try:
        return version(package)
    except (PackageNotFoundError, ValueError):  # a ValueError is for no name at all
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
        made, _, _, expected = read_manifest(path)
    except OSError as error:
        return f"its manifest can't be read: {error.strerror or error}"
    except ValueError as error:
        return f"its manifest can't be read: {error}"
    if key is not None and made != key:
        return f"it was made for something else: {_difference(made, key)}"
    if made.folder != path.name:
        return "its manifest is another entry's"
    try:
        there = {file.name for file in path.iterdir()} - {MANIFEST}
        for name in sorted(there ^ expected.keys()):
            shown = name.encode(errors="replace").decode()
            return f"{shown} is missing" if name in expected else f"{shown} does not belong to it"
        for name, (size, digest) in expected.items():
            about = (path / name).stat()
            if not stat.S_ISREG(about.st_mode):  # a pipe would keep its reader waiting
                return f"{name} is no ordinary file"
            if about.st_size != size:
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
                with suppress(FileNotFoundError):  # another process removed it first
                    remove(entry)
            _put(folder, entry, key)
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


def read_manifest(entry: Path) -> Manifest:
    """What an entry's manifest says, every part of it looked at: anybody may have written it.

    Raises `OSError`, or `ValueError` with what is wrong.
    """
    path = entry / MANIFEST
    about = path.stat()
    if not stat.S_ISREG(about.st_mode):
        raise ValueError("it is no ordinary file")
    if about.st_size > LARGEST:
        raise ValueError(f"it has {about.st_size} bytes, and {LARGEST} are the most")
    try:
        said = json.loads(path.read_bytes())
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error
    if not isinstance(said, dict) or said.get("format") != FORMAT:
        raise ValueError(f"this version reads format {FORMAT}")
    made_for, made_at, files = said.get("made_for"), said.get("made_at"), said.get("files")
    if not _is_text(made_for):
        raise ValueError("made_for is no text")
    if not isinstance(made_at, int | float) or not 0 <= made_at <= LATEST:
        raise ValueError("made_at is no time")
    if not isinstance(files, dict):
        raise ValueError("it names no files")
    return Manifest(_key(said.get("key")), made_for, float(made_at), {name: _file(files[name]) for name in files})


def _key(said: Any) -> EngineKey:
    if not isinstance(said, dict):
        raise ValueError("it has no key")
    for name in sorted(said.keys() ^ {field.name for field in fields(EngineKey)}):
        raise ValueError(f"its key has another part, {name!r}" if name in said else f"its key lacks {name}")
    for name, value in said.items():
        if name == "adapters":
            right = isinstance(value, list) and all(map(_is_text, value))
        elif name == "revision":
            right = type(value) is int
        else:
            right = _is_text(value)
        if not right:
            raise ValueError(f"{name} of its key is none")
    return EngineKey(**{**said, "adapters": tuple(said["adapters"])})


def _file(said: Any) -> tuple[int, str]:
    size, digest = (said.get("bytes"), said.get("sha256")) if isinstance(said, dict) else (None, None)
    if type(size) is not int or size < 0 or not isinstance(digest, str):
        raise ValueError("of a file it does not say the bytes and the sha256")
    return size, digest


def _is_text(value: object) -> TypeGuard[str]:
    """Whether it is text that can be written: half of a surrogate pair can't."""
    return isinstance(value, str) and not any("\ud800" <= letter <= "\udfff" for letter in value)


def _put(folder: Path, entry: Path, key: EngineKey) -> None:
    try:
        folder.rename(entry)
    except OSError:
        if whole(entry, key):
            raise  # otherwise another process was first, and what it made stays


def _difference(made: EngineKey, wanted: EngineKey) -> str:
    pairs = ((field.name, getattr(made, field.name), getattr(wanted, field.name)) for field in fields(EngineKey))
    return "; ".join(f"{name} {one!r} instead of {other!r}" for name, one, other in pairs if one != other)


def _described(file: Path) -> dict[str, object]:
    return {"bytes": file.stat().st_size, "sha256": _digest(file)}


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
