"""Rate of the daemon against the bare pipeline: the cost of stage, link and sink around the renderer."""

import math
import statistics
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from benchmarks.child_process import ChildProcess
from benchmarks.plan import BenchPlan, Progress
from benchmarks.report.findings import Finding, NotMeasured, Row, SpeedTarget
from benchmarks.show.received_frames import distinct_fps
from benchmarks.show.show_process import LONGEST_PAUSE, ShowProcess
from benchmarks.stream.measure_pipeline import (
    BARE_PIPELINE,
    BUILD_SECONDS,
    FULL,
    build_request,
    measured_name,
    measured_preset,
)
from daemon.shared.clock import NS

SETTLE = 0.7
"""Seconds after a pause in which the show refills its stream. The bare pipeline skips its first half second."""


def measure_daemon(plan: BenchPlan, progress: Progress) -> Iterator[Finding]:
    """Measure daemon and bare pipeline in interleaved pairs.

    Both stay loaded. While one is measured, the processes of the other are suspended.
    """
    seconds = min(plan.seconds, LONGEST_PAUSE - 2.0)
    preset, size = measured_preset(plan) | FULL, plan.settings.size
    request = {"do": "stream", "look": FULL, "seconds": seconds}
    with ChildProcess(BARE_PIPELINE, plan.folder) as bare:
        progress("building the bare pipeline")
        bare.ask({"do": "build", **build_request(plan)}, BUILD_SECONDS)
        # Neither the card's rate nor the tick rate must limit the show: twice the model's rate, at least 60 Hz.
        rate = min(240, max(60, math.ceil(bare.ask(request | {"seconds": 1.0})["fps"] / 5) * 10))
        bare.pause()
        progress(f"starting a show at {rate} ticks per second")
        source = f"card:?size={size}x{size}&fps={rate}"
        with ShowProcess(plan.folder / "daemon", preset, source=source, fps=rate, cache=plan.settings.cache) as show:
            show.first_frame()
            turns = _DaemonTurns(bare, show, request)
            for pair in range(plan.pairs):
                progress(f"pair {pair + 1} of {plan.pairs}")
                # The order alternates, so that a machine that slows down favours neither.
                for turn in (turns.bare, turns.show) if pair % 2 == 0 else (turns.show, turns.bare):
                    turn()
    yield from _findings(turns, rate, measured_name(plan))


@dataclass
class _DaemonTurns:
    bare_process: ChildProcess
    show_process: ShowProcess
    request: dict[str, Any]
    rates: dict[str, list[float]] = field(default_factory=lambda: {"bare": [], "daemon": []})
    milliseconds: dict[str, list[float]] = field(default_factory=lambda: {"bare": [], "renderer": [], "stage": []})
    """Processor time per frame."""

    def bare(self) -> None:
        """Measure the bare pipeline while the show is suspended."""
        self.show_process.pause()
        self.bare_process.resume()
        answer = self.bare_process.ask(self.request)
        self.rates["bare"].append(answer["fps"])
        self.milliseconds["bare"].append(answer["processor_ms_a_picture"])
        self.bare_process.pause()
        self.show_process.resume()

    def show(self) -> None:
        """Measure the show at its sink."""
        show = self.show_process
        show.wait_for_frame(time.monotonic_ns())
        time.sleep(SETTLE)
        begin, before = time.monotonic_ns(), show.processor_seconds()
        time.sleep(self.request["seconds"])
        end, after = time.monotonic_ns(), show.processor_seconds()
        fps = distinct_fps(show.reader.frames, begin, end)
        if not fps:
            raise NotMeasured("the show had no new frame while it was measured")
        self.rates["daemon"].append(fps)
        frames = fps * (end - begin) / NS
        for place, process in enumerate(("stage", "renderer")):
            self.milliseconds[process].append((after[place] - before[place]) * 1000 / frames)


def _findings(turns: _DaemonTurns, rate: int, name: str) -> Iterator[Finding]:
    ratios = [shown / alone for shown, alone in zip(turns.rates["daemon"], turns.rates["bare"], strict=True)]
    yield {
        "configuration": f"bare pipeline, {name}, strength 0.9, in the pairs",
        **_rates(turns.rates["bare"]),
        "processor_ms_a_picture": statistics.median(turns.milliseconds["bare"]),
    }
    yield {
        "configuration": f"daemon, {name}, strength 0.9, card in, distinct pictures read at a ZeroMQ sink",
        **_rates(turns.rates["daemon"]),
        "ratio": statistics.median(ratios),
        "ratios": [round(ratio, 3) for ratio in ratios],
        "renderer_processor_ms_a_picture": statistics.median(turns.milliseconds["renderer"]),
        "stage_processor_ms_a_picture": statistics.median(turns.milliseconds["stage"]),
        "ticks_and_cards_fps": rate,
    }
    yield SpeedTarget("daemon over bare pipeline, median of interleaved pairs", statistics.median(ratios), 0.90)


def _rates(rates: list[float]) -> Row:
    return {"fps": statistics.median(rates), "all_fps": [round(rate, 2) for rate in rates]}
