"""A show from outside: how soon it is on air, how evenly it ticks, how it comes back from a killed renderer."""

import os
import signal
import statistics
import sys
import time
from collections.abc import Iterator
from itertools import pairwise

from benchmarks.child_process import ChildProcess
from benchmarks.plan import BenchPlan, Progress
from benchmarks.report.findings import Finding, NotMeasured, SpeedTarget
from benchmarks.show.received_frames import ReceivedFrame, distinct_frames, intervals_ms, spread
from benchmarks.show.show_process import FIRST_PICTURE, ShowProcess
from benchmarks.stream.measure_pipeline import MODEL, NAME
from daemon.shared.clock import NS

FPS = 30
PERIOD_MS = 1000 / FPS
_MOVES_THE_CACHE = sys.platform not in ("win32", "darwin")
"""Whether XDG_CACHE_HOME does: elsewhere a start is as cold or warm as the user's own cache folder."""


def measure_start(plan: BenchPlan, tell: Progress) -> Iterator[Finding]:
    """From the start of `run` to the slate and to the first drawn picture, at a ZeroMQ reader that waits for them."""
    caches = ["an empty cache", "a filled cache"] if _MOVES_THE_CACHE else ["the cache as it is"]
    for number, cache in enumerate(caches):
        tell(f"starting a show with {cache}")
        with ShowProcess(plan.folder / "start", MODEL, cache=plan.folder / "start-cache") as show:
            slate = show.reader.wait_for(lambda arrival: True, FIRST_PICTURE, "the slate")
            picture = show.first_picture()
        slate_s, picture_s = ((each.at - show.started_at) / NS for each in (slate, picture))
        yield {
            "configuration": f"start of run, {NAME}, {cache} of converted networks",
            "slate_s": slate_s,
            "first_picture_s": picture_s,
        }
        if number == 0:
            yield SpeedTarget("slate on air after the start of run, s", slate_s, 1.5, at_least=False)
            yield SpeedTarget("first drawn picture after the start of run, s", picture_s, 15.0, at_least=False)


def measure_interval(plan: BenchPlan, tell: Progress) -> Iterator[Finding]:
    """The output's intervals at a reader, from the slate through the loading of the model into the show."""
    seconds = plan.seconds * 6
    with ChildProcess("benchmarks.show.metronome", plan.folder) as metronome:
        tell("ticks while the model loads")
        with ShowProcess(plan.folder / "interval", MODEL, fps=FPS, cache=plan.folder / "interval-cache") as show:
            metronome.ask({"do": "start", "fps": FPS}, 30.0)
            loaded_at = show.first_picture().at
            tell(f"ticks while it plays, {seconds:.0f} s")
            time.sleep(seconds)
            arrivals = show.reader.since(0)
            status = show.status()
        beat = metronome.ask({"do": "stop"}, 30.0)
    moments = [arrival.at for arrival in arrivals]
    while_loading = [moment for moment in moments if moment <= loaded_at]
    while_playing = [moment for moment in moments if moment >= loaded_at]
    if min(len(while_loading), len(while_playing)) < 3:
        raise NotMeasured("too few ticks came for their intervals to be told")
    whole = spread(intervals_ms(moments))
    yield {"configuration": f"bare metronome at {FPS} Hz, in the same run"} | beat
    for words, part in (("loads and plays", moments), ("loads", while_loading), ("plays", while_playing)):
        yield {
            "configuration": f"output at {FPS} fps at a ZeroMQ reader while the shipped model {words}",
            "ticks": len(part),
            **spread(intervals_ms(part)),
        }
    yield {
        "configuration": f"output at {FPS} fps, the stage's own clock in that run",
        "ticks": status["ticks"],
        "p999_ms": status["output_interval_p999_ms"],
        "missed_ticks": status["missed_ticks"],
    }
    yield SpeedTarget("output interval, p99.9 in periods", whole["p999_ms"] / PERIOD_MS, 2.0, at_least=False)


def measure_recovery(plan: BenchPlan, tell: Progress) -> Iterator[Finding]:
    """kill -9 of the renderer: the longest gap between ticks at a reader, and how long no new picture came."""
    with ShowProcess(plan.folder / "recovery", MODEL, source="card:?size=256x256", fps=FPS) as show:
        tell("starting a show")
        show.first_picture()
        gaps, waits, same = [], [], True
        for kill in range(plan.kills):
            tell(f"killing the renderer, {kill + 1} of {plan.kills}")
            time.sleep(2.0)
            pid, revision = show.status()["renderer"]["pid"], show.reader.arrivals[-1].revision
            killed_at = time.monotonic_ns()
            os.kill(pid, signal.SIGTERM if sys.platform == "win32" else signal.SIGKILL)
            _wait_for_another(show, pid)
            back = show.wait_for_drawn(time.monotonic_ns())
            time.sleep(1.0)
            arrivals = show.reader.since(killed_at - NS)
            gaps.append(max(intervals_ms([arrival.at for arrival in arrivals])))
            waits.append((_after_the_hole(arrivals).at - killed_at) / NS)
            same = same and back.revision == revision
    yield {
        "configuration": f"kill -9 of the renderer, {NAME}, output at {FPS} fps",
        "kills": len(waits),
        "longest_gap_ms": max(gaps),
        "new_picture_after_s": statistics.median(waits),
        "new_picture_after_at_most_s": max(waits),
        "same_parameters": same,
    }
    yield SpeedTarget("longest gap of the output around a kill, periods", max(gaps) / PERIOD_MS, 2.0, at_least=False)


def _wait_for_another(show: ShowProcess, pid: int) -> None:
    """Until a renderer of another process id delivers."""
    deadline = time.monotonic() + FIRST_PICTURE
    while time.monotonic() < deadline:
        renderer = show.status()["renderer"]
        if renderer["pid"] not in (0, pid) and renderer["phase"] == "playing":
            return
        time.sleep(0.05)
    raise NotMeasured(f"no other renderer came within {FIRST_PICTURE:.0f} s of the kill")


def _after_the_hole(arrivals: list[ReceivedFrame]) -> ReceivedFrame:
    """The new picture that ended the longest time without one."""
    return max(pairwise(distinct_frames(arrivals)), key=lambda pair: pair[1].at - pair[0].at)[1]
