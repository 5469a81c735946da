"""Start, regularity and recovery of a show: time to the first frame, tick intervals, and a killed renderer."""

import os
import signal
import statistics
import sys
import time
from collections.abc import Iterator, Sequence
from functools import partial
from itertools import pairwise
from typing import Any

from benchmarks.child_process import ChildProcess
from benchmarks.plan import BenchPlan, Progress
from benchmarks.report.findings import Finding, NotMeasured, SpeedTarget
from benchmarks.show.received_frames import ReceivedFrame, distinct_frames, interval_quantiles, tick_intervals_ms
from benchmarks.show.show_process import FIRST_FRAME, ShowProcess
from benchmarks.stream.measure_pipeline import MODEL, NAME
from daemon.shared.clock import NS

FPS = 30
PERIOD_MS = 1000 / FPS
_CACHE_MOVES = sys.platform not in ("win32", "darwin")
"""True if XDG_CACHE_HOME moves the cache. Elsewhere a start is as cold or warm as the user's cache."""


def measure_start(plan: BenchPlan, progress: Progress) -> Iterator[Finding]:
    """Measure the time from the start of `run` to the slate and to the first rendered frame."""
    caches = ["an empty cache", "a filled cache"] if _CACHE_MOVES else ["the cache as it is"]
    for number, cache in enumerate(caches):
        progress(f"starting a show with {cache}")
        with ShowProcess(plan.folder / "start", MODEL, cache=plan.folder / "start-cache") as show:
            slate = show.reader.wait_for(lambda frame: True, FIRST_FRAME, "the slate")
            first = show.first_frame()
        slate_s, first_s = ((frame.at - show.started_at) / NS for frame in (slate, first))
        yield {
            "configuration": f"start of run, {NAME}, {cache} of converted networks",
            "slate_s": slate_s,
            "first_picture_s": first_s,
        }
        if number == 0:
            yield SpeedTarget("slate on air after the start of run, s", slate_s, 1.5, at_least=False)
            yield SpeedTarget("first drawn picture after the start of run, s", first_s, 15.0, at_least=False)


def measure_interval(plan: BenchPlan, progress: Progress) -> Iterator[Finding]:
    """Measure the tick intervals from the slate, through the loading of the model, into the show."""
    seconds = plan.seconds * 6
    with ChildProcess("benchmarks.show.metronome", plan.folder) as metronome:
        progress("ticks while the model loads")
        with ShowProcess(plan.folder / "interval", MODEL, fps=FPS, cache=plan.folder / "interval-cache") as show:
            metronome.ask({"do": "start", "fps": FPS}, 30.0)
            loaded_at = show.first_frame().at
            progress(f"ticks while it plays, {seconds:.0f} s")
            time.sleep(seconds)
            frames = show.reader.since(0)
            status = show.status()
        metronome_figures = metronome.ask({"do": "stop"}, 30.0)
    loading = [frame for frame in frames if frame.at <= loaded_at]
    playing = [frame for frame in frames if frame.at >= loaded_at]
    if min(len(loading), len(playing)) < 3:
        raise NotMeasured("too few ticks arrived to measure their intervals")
    yield {"configuration": f"bare metronome at {FPS} Hz, in the same run"} | metronome_figures
    for phase, part in (("loads and plays", frames), ("loads", loading), ("plays", playing)):
        yield {
            "configuration": f"output at {FPS} fps at a ZeroMQ reader while the shipped model {phase}",
            "ticks": len(part),
            **interval_quantiles(tick_intervals_ms(part)),
        }
    yield {
        "configuration": f"output at {FPS} fps, the stage's own clock in that run",
        "ticks": status["ticks"],
        "p999_ms": status["output_interval_p999_ms"],
        "missed_ticks": status["missed_ticks"],
    }
    p999 = interval_quantiles(tick_intervals_ms(frames))["p999_ms"]
    yield SpeedTarget("output interval, p99.9 in periods", p999 / PERIOD_MS, 2.0, at_least=False)


def measure_recovery(plan: BenchPlan, progress: Progress) -> Iterator[Finding]:
    """Kill and stop the renderer, and measure the longest gap between ticks and the time without a new frame."""
    kill = ("kill -9", signal.SIGTERM if sys.platform == "win32" else signal.SIGKILL)
    yield from _measure_losses(plan, progress, *kill, understudy="off")
    yield from _measure_losses(plan, progress, *kill, understudy="on")
    if sys.platform != "win32":
        yield from _measure_losses(plan, progress, "SIGSTOP", signal.SIGSTOP, understudy="on")


def _measure_losses(
    plan: BenchPlan, progress: Progress, fault: str, number: signal.Signals, understudy: str
) -> Iterator[Finding]:
    gaps, waits, same = [], [], True
    beside = "with an understudy" if understudy == "on" else "without an understudy"
    options = ("--understudy", understudy)
    folder = plan.folder / f"recovery-{number}-{understudy}"
    with ShowProcess(folder, MODEL, source="card:?size=256x256", fps=FPS, options=options) as show:
        progress("starting a show")
        show.first_frame()
        for lost in range(plan.kills):
            progress(f"{fault} of the renderer, {beside}, {lost + 1} of {plan.kills}")
            if understudy == "on":
                show.wait_for_renderer(_has_understudy, "an understudy")
            time.sleep(2.0)
            pid, revision = show.status()["renderer"]["pid"], show.reader.frames[-1].revision
            lost_at = time.monotonic_ns()
            os.kill(pid, number)
            show.wait_for_renderer(partial(_plays_again, pid), "a new renderer")
            recovered = show.wait_for_frame(time.monotonic_ns())
            time.sleep(1.0)
            frames = show.reader.since(lost_at - NS)
            gaps.append(max(tick_intervals_ms(frames)))
            waits.append((end_of_longest_gap(frames).at - lost_at) / NS)
            same = same and recovered.revision == revision
    yield {
        "configuration": f"{fault} of the renderer {beside}, {NAME}, output at {FPS} fps",
        "losses": len(waits),
        "longest_gap_ms": max(gaps),
        "new_picture_after_s": statistics.median(waits),
        "new_picture_after_at_most_s": max(waits),
        "same_parameters": same,
    }
    yield SpeedTarget(
        f"longest gap of the output around {fault} {beside}, periods", max(gaps) / PERIOD_MS, 2.0, at_least=False
    )
    longest = 1.0 if understudy == "on" else 10.0
    yield SpeedTarget(f"new pictures after {fault} {beside}, s", max(waits), longest, at_least=False)


def _has_understudy(renderer: dict[str, Any]) -> bool:
    return bool(renderer["understudy"]["state"] == "ready")


def end_of_longest_gap(frames: Sequence[ReceivedFrame]) -> ReceivedFrame:
    """Return the new frame that ended the longest time without one.

    Raises:
        NotMeasured: fewer than two rendered frames were received.
    """
    pairs = list(pairwise(distinct_frames(frames)))
    if not pairs:
        raise NotMeasured("fewer than two frames were rendered around the kill")
    return max(pairs, key=lambda pair: pair[1].at - pair[0].at)[1]


def _plays_again(killed: int, renderer: dict[str, Any]) -> bool:
    return renderer["pid"] not in (0, killed) and bool(renderer["phase"] == "playing")
