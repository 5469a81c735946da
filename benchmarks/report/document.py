"""Results document of a bench, saved after every finding."""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.report.findings import Finding, Row, SpeedTarget, rounded
from presets.atomic_write import write_atomically
from presets.errors import SettingsError


@dataclass
class Results:
    """Findings of one bench. Every change is saved, so that an interrupted bench keeps its rows."""

    facts: dict[str, Any]
    """Head of the document: date, device, versions, command."""
    paths: tuple[Path, ...] = ()
    """Files that receive the document."""
    rows: list[Row] = field(default_factory=list)
    targets: list[SpeedTarget] = field(default_factory=list)
    failures: list[dict[str, str]] = field(default_factory=list)
    complete: list[str] = field(default_factory=list)
    """Names of measurements that ran to their end."""
    left_out: list[dict[str, str]] = field(default_factory=list)
    """Measurements that were skipped or cut short on purpose, with the reason."""

    def add(self, measurement: str, finding: Finding) -> None:
        """Add a finding and save. A row or target of the same name is replaced."""
        if isinstance(finding, SpeedTarget):
            self.targets = [each for each in self.targets if each.name != finding.name] + [finding]
        else:
            row = {"measurement": measurement} | {key: rounded(value) for key, value in finding.items()}
            same = (measurement, row["configuration"])
            self.rows = [each for each in self.rows if (each["measurement"], each["configuration"]) != same] + [row]
        self.save()

    def finish(self, measurement: str) -> None:
        """Mark a measurement as complete and save."""
        self.complete.append(measurement)
        self.save()

    def fail(self, measurement: str, reason: str) -> None:
        """Add the reason of a failed measurement and save."""
        self.failures.append({"measurement": measurement, "reason": reason})
        self.save()

    def leave_out(self, measurement: str, reason: str) -> None:
        """Add the reason of a measurement that was skipped or cut short on purpose, and save."""
        self.left_out.append({"measurement": measurement, "reason": reason})
        self.save()

    def document(self) -> dict[str, Any]:
        """Return the document as JSON."""
        targets = [target.as_json() for target in self.targets]
        found = {"rows": self.rows, "targets": targets, "failures": self.failures, "complete": self.complete}
        return self.facts | found | ({"left_out": self.left_out} if self.left_out else {})

    def save(self) -> None:
        """Write the document to every path. Raise `SettingsError` for a path that cannot be written."""
        for path in self.paths:
            write_text(path, json.dumps(self.document(), indent=1) + "\n")


def write_text(path: Path, text: str) -> None:
    """Write a file in one piece. Raise `SettingsError` if it cannot be written."""
    write_bytes(path, text.encode())


def write_bytes(path: Path, content: bytes) -> None:
    """Write a file in one piece. Raise `SettingsError` if it cannot be written."""
    try:
        write_atomically(path, content)
    except OSError as error:
        raise SettingsError(f"{path} can't be written: {error.strerror or error}") from error
