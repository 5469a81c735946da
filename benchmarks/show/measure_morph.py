"""Rate of a show during a morph of words and numbers, against the same show at rest, in interleaved turns."""

import statistics
import time
from collections.abc import Iterator

from benchmarks.plan import BenchPlan, Progress
from benchmarks.report.findings import Finding, NotMeasured, SpeedTarget
from benchmarks.show.osc_sender import OscSender
from benchmarks.show.received_frames import distinct_fps
from benchmarks.show.show_process import ShowProcess
from benchmarks.stream.measure_pipeline import MODEL, NAME, STEPS

PRESET = MODEL | {"mode": "image", "strength": 0.6, "steps": STEPS, "prompt": "neon edges"}
PROMPTS = ("fire", "ice mosaic", "copper contours", "violet halftone")
LENGTH = 60.0
"""Seconds of a morph: longer than a turn, which a cut ends."""
SETTLE = 0.5
"""Seconds before a turn, in which the texts are encoded."""


def measure_morph(plan: BenchPlan, progress: Progress) -> Iterator[Finding]:
    """Measure pairs of turns, one in the middle of a morph and one without."""
    still: list[float] = []
    morphing: list[float] = []
    with (
        ShowProcess(plan.folder / "morph", PRESET, source="card:?size=256x256&fps=120", fps=120) as show,
        OscSender(show.osc_port) as osc,
    ):
        progress("starting a show")
        show.first_frame()
        for pair in range(plan.pairs):
            progress(f"with and without a morph, pair {pair + 1} of {plan.pairs}")
            for moves in (True, False) if pair % 2 else (False, True):
                osc.send("/morph", LENGTH if moves else 0.0)
                osc.send("/prompt", PROMPTS[(2 * pair + moves) % len(PROMPTS)])
                time.sleep(SETTLE)
                begin = time.monotonic_ns()
                time.sleep(plan.seconds)
                fps = distinct_fps(show.reader.frames, begin, time.monotonic_ns())
                (morphing if moves else still).append(fps)
        missed = show.status()["missed_ticks"]
    if not all(still):
        raise NotMeasured("a turn had no pictures")
    ratio = statistics.median(during / at_rest for at_rest, during in zip(still, morphing, strict=True))
    yield {"configuration": f"daemon, {NAME}, strength 0.6, no morph", "fps": statistics.median(still)}
    yield {
        "configuration": f"daemon, {NAME}, strength 0.6, during a morph from one prompt to another",
        "fps": statistics.median(morphing),
        "ratio": ratio,
        "missed_ticks": missed,
    }
    yield SpeedTarget("rate during a morph over the rate without one", ratio, 0.98)
