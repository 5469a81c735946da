"""`Finding`: one line of the doctor's report, with its remedy, and the verdict over all lines."""

import sys
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from enum import StrEnum


class Verdict(StrEnum):
    """State of one thing on this machine."""

    WORKS = "works"
    ABSENT = "absent"
    """Not on this machine; a show plays without it."""
    TROUBLE = "trouble"
    """A problem for a show: a taken port, an unused card, a broken preset."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the report."""

    area: str
    """``python``, ``source``, ``sink``, ``control``, ``model``, ``accelerator``, ``port`` or ``preset``."""
    name: str
    verdict: Verdict
    detail: str
    remedy: str = ""
    """Remedy for a problem, as a command where there is one."""

    def as_json(self) -> dict[str, str]:
        """Return plain values for JSON."""
        return {key: str(value) for key, value in asdict(self).items()}


def can_play(findings: Iterable[Finding]) -> bool:
    """Return True if a show can run: a source, a sink, torch and a model work."""
    works = {(finding.area, finding.name) for finding in findings if finding.verdict is Verdict.WORKS}
    areas = {area for area, _ in works}
    return {"source", "sink", "model"} <= areas and ("accelerator", "torch") in works


def pip_install(arguments: str) -> str:
    """Return the command that installs packages into this Python."""
    return f'"{sys.executable}" -m pip install {arguments}'
