"""Change of accelerator on a running show: the longest gap of the output, and other effects at the sink."""

import time
from collections.abc import Iterator, Sequence
from functools import partial
from itertools import pairwise
from typing import Any

from benchmarks.plan import BenchPlan, Progress
from benchmarks.report.findings import Finding, NotMeasured, SpeedTarget
from benchmarks.show.osc_sender import OscSender
from benchmarks.show.received_frames import ReceivedFrame, intervals_ms, tick_intervals_ms
from benchmarks.show.show_process import ShowProcess
from benchmarks.stream.measure_pipeline import MODEL, NAME
from daemon.shared.clock import NS

FPS = 30
PERIOD_MS = 1000 / FPS
AFTER = 1.0
"""Seconds observed after a switch."""


def measure_switch(plan: BenchPlan, progress: Progress) -> Iterator[Finding]:
    """Switch the accelerator to eager and back, and read every tick at the sink."""
    with (
        ShowProcess(plan.folder / "switch", MODEL, source="card:?size=256x256", fps=FPS) as show,
        OscSender(show.osc_port) as osc,
    ):
        progress("starting a show")
        show.first_frame()
        first, calm_since = show.status()["renderer"]["accelerator"], time.monotonic_ns()
        time.sleep(plan.seconds)
        calm = max(tick_intervals_ms(show.reader.since(calm_since)))
        longest = 0.0
        for before, name in pairwise((first, "eager", first)):
            if before == name:
                raise NotMeasured(f"{first} is the only accelerator that works here")
            progress(f"from {before} to {name}")
            missed, since = show.status()["missed_ticks"], time.monotonic_ns()
            osc.send("/accelerator", name)
            show.wait_for_renderer(partial(_plays, name), name)
            seconds = (time.monotonic_ns() - since) / NS
            time.sleep(AFTER)
            frames = show.reader.since(since)
            gap = max(tick_intervals_ms(frames))
            longest = max(longest, gap)
            yield {
                "configuration": f"from {before} to {name} on a running show, {NAME}, output at {FPS} fps",
                "longest_gap_ms": gap,
                "period_ms": PERIOD_MS,
                "longest_gap_before_ms": calm,
                "ticks": len(frames),
                "ticks_left_out": frames[-1].tick - frames[0].tick + 1 - len(frames),
                "missed_ticks": show.status()["missed_ticks"] - missed,
                "slates": sum(not frame.rendered for frame in frames),
                "switched_after_s": seconds,
                "longest_hold_ms": longest_hold_ms(frames),
            }
    yield SpeedTarget(
        "longest gap of the output while accelerators are switched, periods", longest / PERIOD_MS, 2.0, False
    )


def longest_hold_ms(frames: Sequence[ReceivedFrame]) -> float:
    """Return the longest time between two changes of the frame in milliseconds."""
    changes = [after.at for before, after in pairwise(frames) if after.index != before.index]
    return max(intervals_ms(changes), default=0.0)


def _plays(accelerator: str, renderer: dict[str, Any]) -> bool:
    return bool(renderer.get("accelerator") == accelerator)
