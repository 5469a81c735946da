"""The verdict of a soak: a row for each fault, a row for the whole, and the targets."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from benchmarks.report.findings import Finding, Row, SpeedTarget
from benchmarks.soak.faults import FAULTS
from benchmarks.soak.observer import FaultWindow, SoakObserver
from benchmarks.soak.rig import FPS

PERIOD_MS = 1000 / FPS
SHORTEST_SLOPE = 0.5
"""Hours below which the growth of the memory is told and not judged: caches still fill."""


def findings(
    observer: SoakObserver, before: Mapping[str, Any], after: Mapping[str, Any], hours: float, log: Path
) -> Iterator[Finding]:
    """Yield the rows and the targets.

    Args:
        observer: What was seen at the sink.
        before: Status of the show at the start.
        after: Status at the end.
        hours: Length of the soak.
        log: Log of the show.
    """
    yield from fault_rows(observer)
    tracebacks = log.read_text(errors="replace").count("Traceback (most recent call last)")
    missed_ticks = after["missed_ticks"] - before["missed_ticks"]
    drift_ms = observer.drift_ms(missed_ticks)
    yield {
        "configuration": f"soak of {hours * 60:.4g} minutes, 256x256, output at {FPS} fps",
        "faults": len(observer.windows),
        "ticks": observer.frames,
        "pictures": observer.pictures,
        "ticks_lost": observer.ticks_lost,
        "longest_gap_ms": observer.longest_gap_ms,
        "black": observer.black,
        "drift_ms": drift_ms,
        "restarts": after["renderer"]["restarts"] - before["renderer"]["restarts"],
        "missed_ticks": missed_ticks,
        "stage_mib": observer.memory[-1].mib if observer.memory else None,
        "stage_grows_mib_an_hour": observer.memory_slope,
        "tracebacks": tracebacks,
    }
    yield _at_most("longest gap of the output in a soak, periods", observer.longest_gap_ms / PERIOD_MS, 2.0)
    waits = [wait for window in observer.windows if (wait := lost_pictures_s(window)) is not None]
    if waits:
        yield _at_most("new pictures after a lost renderer, s", max(waits), 1.0)
    yield _at_most("black frames in a soak", float(observer.black), 0.0)
    yield _at_most("drift of the output in a soak, periods", abs(drift_ms) / PERIOD_MS, 2.0)
    yield _at_most("tracebacks in the log of a soak", float(tracebacks), 0.0)
    if hours >= SHORTEST_SLOPE:
        yield _at_most("growth of the stage's memory, MiB an hour", observer.memory_slope, 1.0)


def fault_rows(observer: SoakObserver) -> Iterator[Row]:
    """Yield a row for each kind of fault so far."""
    for name in FAULTS:
        windows = [window for window in observer.windows if window.fault == name]
        if not windows:
            continue
        row: Row = {
            "configuration": name,
            "times": len(windows),
            "longest_gap_ms": max(window.longest_gap_ms for window in windows),
            "black": sum(window.black for window in windows),
        }
        waits = [wait for window in windows if (wait := lost_pictures_s(window)) is not None]
        if waits:
            row["new_picture_after_at_most_s"] = max(waits)
        yield row | {"last": windows[-1].note}


def lost_pictures_s(window: FaultWindow) -> float | None:
    """Return the seconds to new pictures after a lost renderer, infinite if none came; None for another fault."""
    if not FAULTS[window.fault].loses_renderer or not window.is_over:
        return None
    return float("inf") if window.new_picture_after_s is None else window.new_picture_after_s


def _at_most(name: str, figure: float, target: float) -> SpeedTarget:
    return SpeedTarget(name, figure, target, at_least=False)
