"""Takes measurements one after another: each finding is kept at once, and a bench that must be quick ends in time."""

import os
import signal
import sys
import threading
import time
from _thread import interrupt_main
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path

from benchmarks.catalogue import Measurement
from benchmarks.plan import BenchPlan
from benchmarks.report.document import Results
from benchmarks.report.findings import Finding
from presets.errors import StreamflowError

QUICK, LAST = 150.0, 170.0
"""Seconds after which a quick bench begins nothing more, and after which it ends whatever it is at."""
OVER = "the time of --quick was over"

Watch = Callable[[str, str], None]
"""Told a measurement's name and what it does now."""
Found = Callable[[str, Finding | StreamflowError], None]
"""Told a measurement's name and what it found, or why it can't go on."""


def run(chosen: Sequence[Measurement], plan: BenchPlan, found: Results, watch: Watch, tell: Found) -> None:
    """Takes all of them that `found` does not have as complete; what lasts too long is noted there as left out."""
    began = time.monotonic()
    wanted = [measurement for measurement in chosen if measurement.name not in found.complete]

    def late() -> bool:
        return plan.quick and time.monotonic() - began > QUICK

    with _alarm(LAST if plan.quick else None) as rung:
        while wanted:
            measurement = wanted[0]
            try:
                if late():
                    break
                _take(measurement, plan, found, watch, tell, late)
            except KeyboardInterrupt:
                if not rung.is_set():
                    raise
                break
            wanted.pop(0)
    for measurement in wanted:
        found.leave_out(measurement.name, OVER)


def _take(
    measurement: Measurement, plan: BenchPlan, found: Results, watch: Watch, tell: Found, late: Callable[[], bool]
) -> None:
    name = measurement.name
    place: Path = plan.folder / name  # a folder each: one show must not find what another left
    place.mkdir()
    had = {row["configuration"] for row in found.rows if row["measurement"] == name}
    its_own = replace(plan, folder=place, known=frozenset(had if measurement.by_row else ()))
    watch(name, measurement.description)
    findings = measurement.measure(its_own, lambda text: watch(name, text))
    try:
        for finding in findings:
            found.add(name, finding)
            tell(name, finding)
            if late():
                if isinstance(findings, Generator):
                    findings.close()  # ends its children
                found.leave_out(name, f"{OVER}; it was cut short")
                return
    except StreamflowError as error:
        found.fail(name, str(error))
        tell(name, error)
        return
    found.finish(name)


@contextmanager
def _alarm(seconds: float | None) -> Iterator[threading.Event]:
    """As Ctrl-C after so long, which every block that ends a child knows; the event tells it from a hand's."""
    rung = threading.Event()
    if seconds is None:
        yield rung
        return
    windows = sys.platform == "win32"
    if not windows:
        # A wait for a child's answer hears nothing but a signal, and a shell may have made this process deaf to SIGINT.
        before = signal.signal(signal.SIGUSR1, signal.default_int_handler)

    def ring() -> None:
        rung.set()
        if windows:
            interrupt_main()
        else:
            os.kill(os.getpid(), signal.SIGUSR1)

    timer = threading.Timer(seconds, ring)
    timer.daemon = True
    timer.start()
    try:
        yield rung
    finally:
        with suppress(KeyboardInterrupt):  # rung at the very end
            timer.cancel()
            timer.join()
        if not windows:
            signal.signal(signal.SIGUSR1, before)
