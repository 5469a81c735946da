"""Five thousand OSC messages a second: do the pictures keep their rate?"""

import socket
import statistics
import time
from collections.abc import Iterator
from typing import Any

from benchmarks.child_process import ChildProcess
from benchmarks.plan import BenchPlan, Progress
from benchmarks.report.findings import Finding, NotMeasured, SpeedTarget
from benchmarks.show.received_frames import distinct_fps, intervals_ms, quantile
from benchmarks.show.show_process import ShowProcess
from benchmarks.stream.measure_pipeline import MODEL, NAME, STEPS

RATE = 5000
LOOK = MODEL | {"mode": "image", "strength": 0.6, "steps": STEPS}
FADER = {"address": "/strength", "low": 0.55, "high": 0.70}
"""A range in which every strength costs the same number of network calls, so that only the messages differ."""
SETTLE = 0.5


def measure_flood(plan: BenchPlan, tell: Progress) -> Iterator[Finding]:
    """Turns with and without the flood. Without it, the sender floods a port that nobody reads.

    The sender's own share of the processor is not the show's doing, so both turns pay it.
    """
    with (
        ChildProcess("benchmarks.show.osc_flood", plan.folder) as flood,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as nobody,
        ShowProcess(plan.folder / "flood", LOOK, source="card:?size=256x256&fps=120", fps=120) as show,
    ):
        nobody.bind(("127.0.0.1", 0))
        tell("starting a show")
        show.first_picture()
        rates: dict[bool, list[float]] = {False: [], True: []}
        longest: dict[bool, list[float]] = {False: [], True: []}
        spent: dict[bool, list[float]] = {False: [], True: []}
        sent, before = 0, _heard(show)
        for turn in range(plan.pairs):
            tell(f"with and without {RATE} messages a second, pair {turn + 1} of {plan.pairs}")
            for flooded in (False, True) if turn % 2 == 0 else (True, False):
                port = show.osc_port if flooded else nobody.getsockname()[1]
                flood.begin({"do": "flood", "port": port, "rate": RATE, "seconds": plan.seconds + SETTLE, **FADER})
                time.sleep(SETTLE)
                begin, spent_before = time.monotonic_ns(), show.processor_seconds()[0]
                time.sleep(plan.seconds)
                end, spent_after = time.monotonic_ns(), show.processor_seconds()[0]
                spent[flooded].append((spent_after - spent_before) / plan.seconds * 100)
                sent += flood.finish(plan.seconds + 60)["sent"] * flooded
                rates[flooded].append(distinct_fps(show.reader.arrivals, begin, end))
                ticks = [arrival.at for arrival in show.reader.since(begin) if arrival.at < end]
                if len(ticks) < 2:
                    raise NotMeasured("the show's output stopped")
                longest[flooded].append(quantile(intervals_ms(ticks), 0.999))
        heard = _heard(show) - before
    ratio = statistics.median(with_it / without for without, with_it in zip(rates[False], rates[True], strict=True))
    yield {
        "configuration": f"daemon, {NAME}, strength 0.6, the same messages to a port that nobody reads",
        "fps": statistics.median(rates[False]),
        "tick_interval_p999_ms": statistics.median(longest[False]),
        "stage_core_percent": statistics.median(spent[False]),
    }
    yield {
        "configuration": f"daemon, {NAME}, strength 0.6, with {RATE} OSC messages a second to /strength",
        "fps": statistics.median(rates[True]),
        "tick_interval_p999_ms": statistics.median(longest[True]),
        "stage_core_percent": statistics.median(spent[True]),
        "ratio": ratio,
        "messages_sent": sent,
        "messages_taken": heard,
    }
    yield SpeedTarget("rate under 5,000 OSC messages a second over the rate without", ratio, 0.95)


def _heard(show: ShowProcess) -> int:
    controls: list[dict[str, Any]] = show.status()["controls"]
    return next(
        int(control["accepted"]) + int(control["superseded"]) for control in controls if control["name"] == "osc"
    )
