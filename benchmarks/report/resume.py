"""Resumption of an earlier bench. Its findings are kept if machine, versions and options are the same."""

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
"""Facts that must be equal, besides every version."""


def find_earlier(json_path: Path | None, results: Path | None, slug: str) -> Path | None:
    """Return the document to resume: `json_path`, else the newest of this machine in the results folder, else None."""
    if json_path is not None and json_path.exists():
        return json_path
    found = sorted(results.glob(f"????-??-??-{slug}.json")) if results is not None else []
    return found[-1] if found else None


def resumed_stem(path: Path, document: dict[str, Any], results: Path | None, slug: str, stem: str) -> str:
    """Return the file stem in the results folder when `path` is resumed, or `stem` for a new document.

    A bench that writes to a file and to a folder continues in both.

    Raises:
        SettingsError: the folder holds another bench under `stem`, which would be overwritten.
    """
    newest = find_earlier(None, results, slug)
    if results is None or newest is None:
        return stem
    if path == newest or read_document(newest)["date"] == document["date"]:
        return newest.stem
    if (existing := results / f"{stem}.json").exists():
        raise SettingsError(
            f"{path} and {existing} are two benches, and resuming the first would overwrite the second:"
            " give --json or --results alone, or another path"
        )
    return stem


def read_document(path: Path) -> dict[str, Any]:
    """Return the document of a bench. Raise `SettingsError` if the file is not one."""
    try:
        document: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        json.dumps(document, ensure_ascii=False).encode()  # half of a surrogate pair can be read but not written
    except RecursionError as error:
        raise SettingsError(f"{path} is not the document of a bench: it is nested too deeply.") from error
    except (OSError, ValueError) as error:
        raise SettingsError(f"{path} can't be read: {error}") from error
    if fault := _fault(document):
        raise SettingsError(f"{path} is not the document of a bench: {fault}.")
    return document


def _fault(document: object) -> str:
    """Return the first fault in the parts that a bench resumes, or an empty string."""
    if not isinstance(document, dict):
        return "it is not a JSON object"
    for key, kind in (("date", str), ("versions", dict), ("rows", list), ("targets", list)):
        if not isinstance(document.get(key), kind):
            return f"its {key!r} is missing or of another type"
    for key in ("complete", "went_on"):
        names = document.get(key, [])
        if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
            return f"its {key!r} is not a list of strings"
    for place, row in enumerate(document["rows"], 1):
        if not isinstance(row, dict) or not _are_texts(row, "measurement", "configuration"):
            return f"row {place} has no measurement and configuration"
        if not isinstance(row.get("axes", {}), dict) or not all(_is_figure(row.get(key, 0.0)) for key in COLUMNS):
            return f"row {place}, {row['configuration']!r}, has a figure that is not a number"
    for place, target in enumerate(document["targets"], 1):
        if not isinstance(target, dict) or not _are_texts(target, "name", "is"):
            return f"target {place} has no name"
        if not all(target.get(key) is not None and _is_figure(target[key]) for key in ("figure", "target")):
            return f"target {place}, {target['name']!r}, has no figure"
    return ""


def _are_texts(found: dict[str, Any], *keys: str) -> bool:
    return all(isinstance(found.get(key), str) for key in keys)


def _is_figure(value: Any) -> bool:
    """Return True for None and for a number in the range of a float."""
    return value is None or isinstance(value, float) or (type(value) is int and abs(value) <= sys.float_info.max)


def difference(document: dict[str, Any], facts: dict[str, Any]) -> str:
    """Return the difference of a document's facts from `facts`, or an empty string if the bench can be resumed."""
    for key in SAME:
        if document.get(key) != facts.get(key):
            return f"{key} was {document.get(key)}, and is {facts.get(key)}"
    was, now = document["versions"], facts["versions"]
    changed = [name for name in sorted(was | now) if was.get(name) != now.get(name)]
    return ", ".join(f"{name} was {was.get(name)}, and is {now.get(name)}" for name in changed)


def restore(results: Results, document: dict[str, Any]) -> None:
    """Copy the findings of an earlier bench into `results`.

    Rows with `missing` are left out, so that they are tried again. Rows of an incomplete measurement are kept only if
    that measurement can skip them.
    """
    by_row = {measurement.name for measurement in MEASUREMENTS if measurement.by_row}
    rows = [row for row in document["rows"] if "missing" not in row]
    lacking = {row["measurement"] for row in document["rows"] if "missing" in row}
    results.complete = [name for name in document.get("complete", []) if name not in lacking]
    results.rows = [row for row in rows if row["measurement"] in by_row or row["measurement"] in results.complete]
    for target in document["targets"]:
        values = {field: target[field] for field in SpeedTarget._fields if field in target}
        results.targets.append(SpeedTarget(**values, at_least=target["is"] == "at least"))
    results.facts = results.facts | {
        "date": document["date"],
        "went_on": [*document.get("went_on", []), results.facts["date"]],
    }
