"""The manifest of an entry in the engine cache: written as JSON, and checked field by field when it is read."""

import hashlib
import json
import stat
import time
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any, NamedTuple, TypeGuard

from pipeline.accelerators.engine_key import EngineKey

MANIFEST = "entry.json"
FORMAT = 1
"""Version of the manifest format. Raise it when a field changes its meaning."""

MAX_MANIFEST_BYTES = 1_000_000
"""Upper limit for the size of a manifest. The manifests written here are far smaller."""
LATEST = 1e11
"""Latest Unix time that is accepted for an entry, thousands of years ahead."""


class Manifest(NamedTuple):
    """Contents of a manifest."""

    key: EngineKey
    made_for: str
    """Name of the model and frame size, for people. Not part of the key."""
    made_at: float
    """Unix time."""
    files: dict[str, tuple[int, str]]
    """Size in bytes and SHA-256 of each file, by file name."""


def write_manifest(entry: Path, key: EngineKey, made_for: str) -> None:
    """Write the manifest for the files in the folder `entry`. Raises `OSError`."""
    files = {file.name: {"bytes": file.stat().st_size, "sha256": digest(file)} for file in sorted(entry.iterdir())}
    manifest = {"format": FORMAT, "key": asdict(key), "made_for": made_for, "made_at": time.time(), "files": files}
    (entry / MANIFEST).write_text(json.dumps(manifest, indent=1), encoding="utf-8")


def read_manifest(entry: Path) -> Manifest:
    """Read the manifest of an entry and check every field, because any program can write to the cache folder.

    Raises:
        OSError: the file can't be read.
        ValueError: the contents are not a manifest. The message names the field.
    """
    path = entry / MANIFEST
    status = path.stat()
    if not stat.S_ISREG(status.st_mode):  # opening a named pipe would block
        raise ValueError("it is not a regular file")
    if status.st_size > MAX_MANIFEST_BYTES:
        raise ValueError(f"it has {status.st_size} bytes, the limit is {MAX_MANIFEST_BYTES}")
    try:
        data = json.loads(path.read_bytes())
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error
    if not isinstance(data, dict) or data.get("format") != FORMAT:
        raise ValueError(f"this version reads format {FORMAT}")
    made_for, made_at, files = data.get("made_for"), data.get("made_at"), data.get("files")
    if not _is_text(made_for):
        raise ValueError("made_for is not a text")
    if not isinstance(made_at, int | float) or not 0 <= made_at <= LATEST:
        raise ValueError("made_at is not a time")
    if not isinstance(files, dict):
        raise ValueError("files is not an object")
    return Manifest(
        _read_key(data.get("key")), made_for, float(made_at), {name: _read_file(files[name]) for name in files}
    )


def digest(path: Path) -> str:
    """Return the SHA-256 of a file as hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _read_key(data: Any) -> EngineKey:
    if not isinstance(data, dict):
        raise ValueError("key is not an object")
    for name in sorted(data.keys() ^ {field.name for field in fields(EngineKey)}):
        raise ValueError(f"key has an unknown field {name!r}" if name in data else f"key has no field {name}")
    for name, value in data.items():
        if name == "adapters":
            valid = isinstance(value, list) and all(map(_is_text, value))
        elif name == "revision":
            valid = type(value) is int
        else:
            valid = _is_text(value)
        if not valid:
            raise ValueError(f"key has a wrong value for {name}")
    return EngineKey(**{**data, "adapters": tuple(data["adapters"])})


def _read_file(data: Any) -> tuple[int, str]:
    size, sha256 = (data.get("bytes"), data.get("sha256")) if isinstance(data, dict) else (None, None)
    if type(size) is not int or size < 0 or not isinstance(sha256, str):
        raise ValueError("a file has no valid bytes and sha256")
    return size, sha256


def _is_text(value: object) -> TypeGuard[str]:
    """Return True for a text that can be encoded. Half of a surrogate pair can't."""
    return isinstance(value, str) and not any("\ud800" <= letter <= "\udfff" for letter in value)
