"""Run measurements one after another. Every finding is saved at once, and a quick bench ends in time."""

import os
import signal
import sys
import threading
import time
from _thread import interrupt_main
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace

from benchmarks.catalogue import Measurement
from benchmarks.plan import BenchPlan
from benchmarks.report.document import Results
from benchmarks.report.findings import Finding
from presets.errors import StreamflowError

QUICK, LAST = 150.0, 170.0
"""Seconds after which a quick bench starts nothing more, and after which it stops the running measurement."""
OVER = "the time of --quick was over"

Watch = Callable[[str, str], None]
"""Receives the name of a measurement and its current activity."""
Found = Callable[[str, Finding | StreamflowError], None]
"""Receives the name of a measurement and its finding, or the error that ended it."""


def run(chosen: Sequence[Measurement], plan: BenchPlan, results: Results, watch: Watch, found: Found) -> None:
    """Run the measurements that are not complete in `results`. Those without time are listed there as left out."""
    began = time.monotonic()
    is_limited = plan.quick and not (len(chosen) == 1 and chosen[0].whole_when_alone)
    wanted = [measurement for measurement in chosen if measurement.name not in results.complete]

    def late() -> bool:
        return is_limited and time.monotonic() - began > QUICK

    with _alarm(LAST if is_limited else None) as rung:
        while wanted:
            measurement = wanted[0]
            try:
                if late():
                    break
                _run_one(measurement, plan, results, watch, found, late)
            except KeyboardInterrupt:
                if not rung.is_set():
                    raise
                break
            wanted.pop(0)
    for measurement in wanted:
        results.leave_out(measurement.name, OVER)


def _run_one(
    measurement: Measurement, plan: BenchPlan, results: Results, watch: Watch, found: Found, late: Callable[[], bool]
) -> None:
    name = measurement.name
    folder = plan.folder / name  # separate, so that a show does not find the files of another
    folder.mkdir()
    known = {row["configuration"] for row in results.rows if row["measurement"] == name and measurement.by_row}
    watch(name, measurement.description)
    plan = replace(plan, folder=folder, known=frozenset(known))
    findings = measurement.measure(plan, lambda activity: watch(name, activity))
    try:
        for finding in findings:
            results.add(name, finding)
            found(name, finding)
            if late():
                if isinstance(findings, Generator):
                    findings.close()  # ends the child processes
                results.leave_out(name, f"{OVER}; it was cut short")
                return
    except StreamflowError as error:
        results.fail(name, str(error))
        found(name, error)
        return
    results.finish(name)


@contextmanager
def _alarm(seconds: float | None) -> Iterator[threading.Event]:
    """Raise `KeyboardInterrupt` in the main thread after so many seconds, and set the event to tell it from Ctrl-C.

    Every block that owns a child process ends it on `KeyboardInterrupt`.
    """
    rung = threading.Event()
    if seconds is None:
        yield rung
        return
    windows = sys.platform == "win32"
    if not windows:
        # Only a signal interrupts the wait for an answer. A shell may have set SIGINT to be ignored.
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
        with suppress(KeyboardInterrupt):  # the alarm may ring here
            timer.cancel()
            timer.join()
        if not windows:
            signal.signal(signal.SIGUSR1, before)
