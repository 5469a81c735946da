"""Record of a model that was pulled or adopted: where each file comes from, and its checksum. A file in the folder."""

import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from presets.atomic_write import write_atomically
from presets.errors import ModelError

RECORD_FILE = "streamflow-model.json"
"""Name of the record in a model's folder."""

LARGEST_RECORD = 10_000_000
"""Bytes of a record; a longer file is none."""

_SHA256 = re.compile("[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class ModelSource:
    """Origin of one part of a model."""

    part: str
    """``model``, ``vae``, ``vae_tiny``, ``scheduler`` or ``delta``."""
    origin: str
    """Hub id, path, or name of a row of the catalogue."""
    revision: str = ""
    """Commit of the repository; empty for a path."""
    size: int = 0
    """Bytes of the single file that a model was made of; 0 for anything else."""
    modified: int = 0
    """Time of that file's last change, nanoseconds."""


@dataclass(frozen=True, slots=True)
class RecordedFile:
    """Size and checksum of a file."""

    size: int
    """bytes"""
    sha256: str


@dataclass(frozen=True, slots=True)
class ModelRecord:
    """Record in a model's folder: its origins, revisions and checksums."""

    name: str
    licence: str
    paid_show: str
    """``yes``, ``no`` or ``ask``."""
    sources: tuple[ModelSource, ...]
    files: Mapping[str, RecordedFile] = field(default_factory=dict)
    """Every file by its path in the folder, with slashes."""


def write_record(folder: Path, record: ModelRecord) -> None:
    """Write the record into a model's folder. Raises `OSError`."""
    text = json.dumps(asdict(record), indent=1, ensure_ascii=False)
    write_atomically(folder / RECORD_FILE, text.encode())


def read_record(folder: Path) -> ModelRecord | None:
    """Return the record of a model's folder, None if it has none. Raises `ModelError` for a damaged one."""
    path = folder / RECORD_FILE
    if not path.is_file():
        return None
    try:
        if path.stat().st_size > LARGEST_RECORD:
            raise ValueError(f"it has more than {LARGEST_RECORD} bytes")
        return _record(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise ModelError(f"{path} is damaged ({error}). Pull or adopt the model again.") from error


def _record(value: Mapping[str, Any]) -> ModelRecord:
    """Return a record from the JSON of its file. Raises `ValueError`, `TypeError` or `KeyError`."""
    files = {str(path): RecordedFile(int(each["size"]), str(each["sha256"])) for path, each in value["files"].items()}
    for path, file in files.items():
        parts = path.split("/")
        if not _SHA256.fullmatch(file.sha256) or file.size < 0 or "\\" in path or {"", ".", ".."} & set(parts):
            raise ValueError(f"it has an impossible entry, {path!r}")
    sources = tuple(
        ModelSource(
            str(each["part"]),
            str(each["origin"]),
            str(each["revision"]),
            int(each.get("size", 0)),
            int(each.get("modified", 0)),
        )
        for each in value["sources"]
    )
    return ModelRecord(str(value["name"]), str(value["licence"]), str(value["paid_show"]), sources, files)
