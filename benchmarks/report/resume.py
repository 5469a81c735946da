"""A bench that goes on where another ended: what that had found is kept, where machine and versions are the same."""

import json
import sys
from pathlib import Path
from typing import Any

from benchmarks.catalogue import MEASUREMENTS
from benchmarks.report.document import Results
from benchmarks.report.findings import SpeedTarget
from benchmarks.report.tables import COLUMNS
from presets.errors import SettingsError

SAME = ("device", "gpu", "cores", "memory_gib", "quick", "subject")
"""What must be as it was, beside every version."""


def earlier(as_json: Path | None, results: Path | None, slug: str) -> Path | None:
    """The document to go on from: the one named, else the newest of this machine in the results folder."""
    if as_json is not None and as_json.exists():
        return as_json
    found = sorted(results.glob(f"????-??-??-{slug}.json")) if results is not None else []
    return found[-1] if found else None


def stem_of(path: Path, document: dict[str, Any], results: Path | None, slug: str, stem: str) -> str:
    """What the documents in the results folder are called when `path` is gone on with; `stem` for a new one.

    A bench that writes to a file and to a folder goes on in both. Raises `SettingsError` where going on with the file
    would write over another bench in the folder.
    """
    newest = earlier(None, results, slug)
    if results is None or newest is None:
        return stem
    if path == newest or read_document(newest)["date"] == document["date"]:
        return newest.stem
    if (there := results / f"{stem}.json").exists():
        raise SettingsError(
            f"{path} and {there} are two benches, and the one that goes on with the first would write over the second:"
            " give --json or --results alone, or name another place"
        )
    return stem


def read_document(path: Path) -> dict[str, Any]:
    """A bench's document. Raises `SettingsError` where that is none."""
    try:
        document: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        json.dumps(document, ensure_ascii=False).encode()  # half of a surrogate pair can be read, and not be written
    except RecursionError as error:
        raise SettingsError(f"{path} is no document of a bench: it is nested too deeply.") from error
    except (OSError, ValueError) as error:
        raise SettingsError(f"{path} can't be read: {error}") from error
    if trouble := _trouble(document):
        raise SettingsError(f"{path} is no document of a bench: {trouble}.")
    return document


def _trouble(document: object) -> str:
    """What a bench would not have written so; empty if all that is gone on with has its shape."""
    if not isinstance(document, dict):
        return "it is no JSON object"
    for key, kind in (("date", str), ("versions", dict), ("rows", list), ("targets", list)):
        if not isinstance(document.get(key), kind):
            return f"its {key} are missing, or something else"
    for key in ("complete", "went_on"):
        names = document.get(key, [])
        if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
            return f"its {key} is no list of names"
    for place, row in enumerate(document["rows"], 1):
        if not isinstance(row, dict) or not _texts(row, "measurement", "configuration"):
            return f"row {place} has no measurement and configuration"
        if not isinstance(row.get("axes", {}), dict) or not all(_is_figure(row.get(key, 0.0)) for key in COLUMNS):
            return f"row {place}, {row['configuration']!r}, has something else where figures are"
    for place, target in enumerate(document["targets"], 1):
        if not isinstance(target, dict) or not _texts(target, "name", "is"):
            return f"target {place} has no name"
        if not all(target.get(key) is not None and _is_figure(target[key]) for key in ("figure", "target")):
            return f"target {place}, {target['name']!r}, has no figures"
    return ""


def _texts(said: dict[str, Any], *keys: str) -> bool:
    return all(isinstance(said.get(key), str) for key in keys)


def _is_figure(value: Any) -> bool:
    """Whether it is a number, and one that a float can hold; or None, where there is a column and no figure."""
    return value is None or isinstance(value, float) or (type(value) is int and abs(value) <= sys.float_info.max)


def other(document: dict[str, Any], facts: dict[str, Any]) -> str:
    """Why a document's figures don't belong into a bench with these facts; empty if they do."""
    for key in SAME:
        if document.get(key) != facts.get(key):
            return f"{key} was {document.get(key)}, and is {facts.get(key)}"
    was, now = document["versions"], facts["versions"]
    changed = [name for name in sorted(was | now) if was.get(name) != now.get(name)]
    return ", ".join(f"{name} was {was.get(name)}, and is {now.get(name)}" for name in changed)


def take_over(found: Results, document: dict[str, Any]) -> None:
    """Puts what an earlier bench found into a new one's results.

    Of a measurement that was cut short only those rows that it can leave out; and none that says what was missing.
    """
    by_row = {measurement.name for measurement in MEASUREMENTS if measurement.by_row}
    rows = [row for row in document["rows"] if "missing" not in row]
    wanting = {row["measurement"] for row in document["rows"] if "missing" in row}
    found.complete = [name for name in document.get("complete", []) if name not in wanting]
    found.rows = [row for row in rows if row["measurement"] in by_row or row["measurement"] in found.complete]
    for target in document["targets"]:
        given = {field: target[field] for field in SpeedTarget._fields if field in target}
        found.targets.append(SpeedTarget(**given, at_least=target["is"] == "at least"))
    found.facts = found.facts | {
        "date": document["date"],
        "went_on": [*document.get("went_on", []), found.facts["date"]],
    }
