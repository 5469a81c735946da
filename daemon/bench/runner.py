"""Takes measurements one after another: each finding is kept at once, and a bench that must be quick ends in time."""

import time
from collections.abc import Callable, Generator, Sequence
from dataclasses import replace
from pathlib import Path

from daemon.bench.catalogue import Measurement
from daemon.bench.results import Finding, Plan, Results
from presets.errors import StreamflowError

QUICK = 150.0
"""Seconds after which a quick bench begins nothing more; what it has begun may take the rest of the three minutes."""

Watch = Callable[[str, str], None]
"""Told a measurement's name and what it does now."""
Found = Callable[[str, Finding | StreamflowError], None]
"""Told a measurement's name and what it found, or why it can't go on."""


def run(chosen: Sequence[Measurement], plan: Plan, found: Results, watch: Watch, tell: Found) -> None:
    """Takes all of them that `found` does not have as complete; what lasts too long is noted there as left out."""
    began = time.monotonic()

    def late() -> bool:
        return plan.quick and time.monotonic() - began > QUICK

    for measurement in chosen:
        name = measurement.name
        if name in found.complete:
            continue
        if late():
            found.leave_out(name, "the time of --quick was over")
            continue
        place: Path = plan.folder / name  # a folder each: one show must not find what another left
        place.mkdir()
        had = {row["configuration"] for row in found.rows if row["measurement"] == name}
        its_own = replace(plan, folder=place, known=frozenset(had if measurement.by_row else ()))
        watch(name, measurement.description)
        findings = measurement.measure(its_own, lambda text, who=name: watch(who, text))  # type: ignore[misc]
        try:
            for finding in findings:
                found.add(name, finding)
                tell(name, finding)
                if late():
                    if isinstance(findings, Generator):
                        findings.close()  # ends its children
                    found.leave_out(name, "the time of --quick was over; it was cut short")
                    break
            else:
                found.finish(name)
        except StreamflowError as error:
            found.fail(name, str(error))
            tell(name, error)
