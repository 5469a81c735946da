"""The daemon against the bare pipeline: what the show around it costs, in pictures a second at a sink's far end."""

import math
import statistics
import time
from collections.abc import Iterator

from benchmarks.child_process import ChildProcess
from benchmarks.plan import BenchPlan, Progress
from benchmarks.report.findings import Finding, NotMeasured, Row, SpeedTarget
from benchmarks.show.received_frames import distinct_fps
from benchmarks.show.show_process import LONGEST_PAUSE, ShowProcess
from benchmarks.stream.measure_pipeline import FULL, MODEL, NAME
from daemon.shared.clock import NS

SETTLE = 0.7
"""Seconds a show has to fill its stream again after a pause; the bare pipeline leaves out its first half second."""


def measure_daemon(plan: BenchPlan, tell: Progress) -> Iterator[Finding]:
    """Both stay loaded; while one is measured, the processes of the other are suspended and take no time."""
    seconds = min(plan.seconds, LONGEST_PAUSE - 2.0)
    request = {"do": "stream", "look": FULL, "seconds": seconds}
    with ChildProcess("benchmarks.stream.bare_pipeline", plan.folder) as bare:
        tell("building the bare pipeline")
        bare.ask({"do": "build", **MODEL})
        # More pictures come in and more ticks go out than any model here can use, so neither is what is measured.
        ample = min(240, max(60, math.ceil(bare.ask(request | {"seconds": 1.0})["fps"] / 5) * 10))
        bare.pause()
        tell(f"starting a show at {ample} ticks a second")
        source = f"card:?size=256x256&fps={ample}"
        with ShowProcess(plan.folder / "daemon", MODEL | FULL, source=source, fps=ample) as show:
            show.first_picture()
            rates: dict[str, list[float]] = {"bare": [], "daemon": []}
            spent: dict[str, list[float]] = {"bare": [], "renderer": [], "stage": []}

            def measure_bare() -> None:
                show.pause()
                bare.resume()
                answer = bare.ask(request)
                rates["bare"].append(answer["fps"])
                spent["bare"].append(answer["processor_ms_a_picture"])
                bare.pause()
                show.resume()

            def measure_show() -> None:
                show.wait_for_drawn(time.monotonic_ns())
                time.sleep(SETTLE)
                begin, before = time.monotonic_ns(), show.processor_seconds()
                time.sleep(seconds)
                end, after = time.monotonic_ns(), show.processor_seconds()
                fps = distinct_fps(show.reader.arrivals, begin, end)
                if not fps:
                    raise NotMeasured("the show had no new picture while it was measured")
                rates["daemon"].append(fps)
                pictures = fps * (end - begin) / NS
                for place, who in enumerate(("stage", "renderer")):
                    spent[who].append((after[place] - before[place]) * 1000 / pictures)

            for pair in range(plan.pairs):
                tell(f"pair {pair + 1} of {plan.pairs}")
                # Turn and turn about, so that a machine that grows slower favours neither.
                for turn in (measure_bare, measure_show) if pair % 2 == 0 else (measure_show, measure_bare):
                    turn()
    ratios = [shown / alone for shown, alone in zip(rates["daemon"], rates["bare"], strict=True)]
    yield {
        "configuration": f"bare pipeline, {NAME}, strength 0.9, in the pairs",
        **_figures(rates["bare"]),
        "processor_ms_a_picture": statistics.median(spent["bare"]),
    }
    yield {
        "configuration": f"daemon, {NAME}, strength 0.9, card in, distinct pictures read at a ZeroMQ sink",
        **_figures(rates["daemon"]),
        "ratio": statistics.median(ratios),
        "ratios": [round(ratio, 3) for ratio in ratios],
        "renderer_processor_ms_a_picture": statistics.median(spent["renderer"]),
        "stage_processor_ms_a_picture": statistics.median(spent["stage"]),
        "ticks_and_cards_fps": ample,
    }
    yield SpeedTarget("daemon over bare pipeline, median of interleaved pairs", statistics.median(ratios), 0.90)


def _figures(rates: list[float]) -> Row:
    return {"fps": statistics.median(rates), "all_fps": [round(rate, 2) for rate in rates]}
