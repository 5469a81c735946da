"""The document of a bench, written as its findings come."""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.report.findings import Finding, Row, SpeedTarget, rounded
from presets.atomic_write import write_atomically
from presets.errors import SettingsError


@dataclass
class Results:
    """The document of one bench. `save` is called after each finding, so that a bench cut short has not run in vain."""

    facts: dict[str, Any]
    """Date, device, versions, command: what the figures mean nothing without."""
    paths: tuple[Path, ...] = ()
    rows: list[Row] = field(default_factory=list)
    targets: list[SpeedTarget] = field(default_factory=list)
    failures: list[dict[str, str]] = field(default_factory=list)
    complete: list[str] = field(default_factory=list)
    """Measurements that were taken to their end."""
    left_out: list[dict[str, str]] = field(default_factory=list)

    def add(self, measurement: str, finding: Finding) -> None:
        """Keep it, on the disk too; in the place of one of the same name."""
        if isinstance(finding, SpeedTarget):
            self.targets = [each for each in self.targets if each.name != finding.name] + [finding]
        else:
            row = {"measurement": measurement} | {key: rounded(value) for key, value in finding.items()}
            same = (measurement, row["configuration"])
            self.rows = [each for each in self.rows if (each["measurement"], each["configuration"]) != same] + [row]
        self.save()

    def finish(self, measurement: str) -> None:
        """Keep that there is no more to come of it."""
        self.complete.append(measurement)
        self.save()

    def fail(self, measurement: str, sentence: str) -> None:
        """Keep why there is no figure."""
        self.failures.append({"measurement": measurement, "reason": sentence})
        self.save()

    def leave_out(self, measurement: str, sentence: str) -> None:
        """Keep that it was not taken, or not to its end, by intent."""
        self.left_out.append({"measurement": measurement, "reason": sentence})
        self.save()

    def document(self) -> dict[str, Any]:
        """JSON-able."""
        targets = [target.as_json() for target in self.targets]
        found = {"rows": self.rows, "targets": targets, "failures": self.failures, "complete": self.complete}
        return self.facts | found | ({"left_out": self.left_out} if self.left_out else {})

    def save(self) -> None:
        """Write the document whole wherever it is wanted. Raises `SettingsError` where it can't be."""
        for path in self.paths:
            write_text(path, json.dumps(self.document(), indent=1) + "\n")


def write_text(path: Path, text: str) -> None:
    """The whole file or none of it. Raises `SettingsError`."""
    try:
        write_atomically(path, text.encode())
    except OSError as error:
        raise SettingsError(f"{path} can't be written: {error.strerror or error}") from error
