"""A bench that goes on where another ended: what that had found is kept, where machine and versions are the same."""

import json
from pathlib import Path
from typing import Any

from daemon.bench.catalogue import MEASUREMENTS
from daemon.bench.results import Results, Target
from presets.errors import SettingsError

SAME = ("device", "gpu", "cores", "memory_gib", "quick", "subject")
"""What must be as it was, beside every version."""


def earlier(as_json: Path | None, results: Path | None, slug: str) -> Path | None:
    """The document to go on from: the one named, else the newest of this machine in the results folder."""
    if as_json is not None and as_json.exists():
        return as_json
    found = sorted(results.glob(f"????-??-??-{slug}.json")) if results is not None else []
    return found[-1] if found else None


def read_document(path: Path) -> dict[str, Any]:
    """A bench's document. Raises `SettingsError` where that is none."""
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise SettingsError(f"{path} can't be read: {error}") from error
    if not isinstance(document, dict) or not {"rows", "targets", "versions"} <= document.keys():
        raise SettingsError(f"{path} is no document of a bench.")
    return document


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
        given = {field: target[field] for field in Target._fields if field in target}
        found.targets.append(Target(**given, at_least=target["is"] == "at least"))
    found.facts = found.facts | {
        "date": document["date"],
        "went_on": [*document.get("went_on", []), found.facts["date"]],
    }
