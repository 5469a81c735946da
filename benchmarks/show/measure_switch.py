"""Another accelerator on a running show: the longest gap of the output, and what else a reader sees of it."""

import time
from collections.abc import Iterator
from itertools import pairwise

from pythonosc.udp_client import SimpleUDPClient

from benchmarks.plan import BenchPlan, Progress
from benchmarks.report.findings import Finding, NotMeasured, SpeedTarget
from benchmarks.show.received_frames import ReceivedFrame, intervals_ms
from benchmarks.show.show_process import FIRST_PICTURE, ShowProcess
from benchmarks.stream.measure_pipeline import MODEL, NAME
from daemon.shared.clock import NS

FPS = 30
PERIOD_MS = 1000 / FPS
AFTER = 1.0
"""Seconds that are watched after a switch."""


def measure_switch(plan: BenchPlan, tell: Progress) -> Iterator[Finding]:
    """The accelerator is turned to eager and back, while every tick is read at the sink's far end."""
    with ShowProcess(plan.folder / "switch", MODEL, source="card:?size=256x256", fps=FPS) as show:
        tell("starting a show")
        show.first_picture()
        osc = SimpleUDPClient("127.0.0.1", show.osc_port)
        first, calm_since = show.status()["renderer"]["accelerator"], time.monotonic_ns()
        time.sleep(plan.seconds)
        calm = max(intervals_ms([arrival.at for arrival in show.reader.since(calm_since)]))
        longest = 0.0
        for before, name in pairwise((first, "eager", first)):
            if before == name:
                raise NotMeasured(f"{first} is all that plays here: there is nothing to switch to")
            tell(f"from {before} to {name}")
            missed, since = show.status()["missed_ticks"], time.monotonic_ns()
            osc.send_message("/accelerator", name)
            _wait_for(show, name)
            took = (time.monotonic_ns() - since) / NS
            time.sleep(AFTER)
            ticks = show.reader.since(since)
            gap = max(intervals_ms([arrival.at for arrival in ticks]))
            longest = max(longest, gap)
            yield {
                "configuration": f"from {before} to {name} on a running show, {NAME}, output at {FPS} fps",
                "longest_gap_ms": gap,
                "period_ms": PERIOD_MS,
                "longest_gap_before_ms": calm,
                "ticks": len(ticks),
                "ticks_left_out": ticks[-1].tick - ticks[0].tick + 1 - len(ticks),
                "missed_ticks": show.status()["missed_ticks"] - missed,
                "slates": sum(not arrival.drawn for arrival in ticks),
                "switched_after_s": took,
                "longest_hold_ms": _longest_hold(ticks),
            }
    yield SpeedTarget(
        "longest gap of the output while accelerators are switched, periods", longest / PERIOD_MS, 2.0, False
    )


def _longest_hold(ticks: list[ReceivedFrame]) -> float:
    """Milliseconds for which one picture stood."""
    fresh = [after.at for before, after in pairwise(ticks) if after.index != before.index]
    return max(intervals_ms(fresh), default=0.0)


def _wait_for(show: ShowProcess, accelerator: str) -> None:
    deadline = time.monotonic() + FIRST_PICTURE
    while time.monotonic() < deadline:
        if show.status()["renderer"].get("accelerator") == accelerator:
            return
        time.sleep(0.05)
    raise NotMeasured(f"{accelerator} did not play within {FIRST_PICTURE:.0f} s")
