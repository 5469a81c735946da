"""Random control changes on a running show: lost or misplaced frames, restarts, and growth of memory."""

import random
import statistics
import time
from collections.abc import Iterator
from itertools import pairwise
from typing import Any, NamedTuple

from benchmarks.plan import BenchPlan, Progress
from benchmarks.report.findings import Finding, NotMeasured, SpeedTarget
from benchmarks.show.osc_sender import OscSender
from benchmarks.show.received_frames import distinct_frames
from benchmarks.show.show_process import ShowProcess
from benchmarks.stream.measure_pipeline import MODEL, NAME
from daemon.shared.clock import NS

MINUTES_PER_SECOND = 2.0
"""Minutes of a sweep for each second of a turn in the plan: ten minutes by default."""
PAUSE = 0.05
"""Seconds between two messages."""
PRESETS = ("fire", "labyrinth", "ice-cells", "neon")
PROMPTS = ("a neon tunnel", "blue rings on black", "green cells", "violet plasma, slow", "", "white ice")
SEED = 11


class MemoryReading(NamedTuple):
    """Resident memory during a sweep."""

    elapsed: float
    """Seconds since the start of the sweep."""
    stage_mib: float
    renderer_mib: float


def measure_sweep(plan: BenchPlan, progress: Progress) -> Iterator[Finding]:
    """Change steps, strength, seed, prompt and preset at random, twenty messages per second."""
    duration = plan.seconds * MINUTES_PER_SECOND * 60
    choices = random.Random(SEED)
    memory: list[MemoryReading] = []
    with (
        ShowProcess(plan.folder / "sweep", MODEL | {"mode": "image"}, source="card:?size=256x256", fps=30) as show,
        OscSender(show.osc_port) as osc,
    ):
        progress("starting a show")
        show.first_frame()
        first_pid = show.status()["renderer"]["pid"]
        began, sent = time.monotonic(), 0
        while (elapsed := time.monotonic() - began) < duration:
            osc.send(*_random_change(choices))
            sent += 1
            if elapsed >= len(memory) * duration / 40:
                progress(f"{elapsed / 60:.1f} of {duration / 60:.0f} minutes")
                memory.append(MemoryReading(elapsed, *show.memory_mib()))
            time.sleep(PAUSE)
        status = show.status()
        fps = status["rendered"] / (time.monotonic_ns() - show.started_at) * NS
        indices = [frame.index for frame in distinct_frames(show.reader.frames)]
    renderer = status["renderer"]
    if renderer["pid"] != first_pid and not renderer["restarts"]:
        raise NotMeasured("the renderer changed, and the status counts no restart")
    settled = [reading for reading in memory if reading.elapsed >= duration / 5]  # earlier, caches fill
    stage_growth = _growth([reading.stage_mib for reading in settled])
    renderer_growth = _growth([reading.renderer_mib for reading in settled])
    yield {
        "configuration": f"daemon, {NAME}, steps, strength, seed, prompt and look swept at random",
        "fps": fps,
        "minutes": duration / 60,
        "messages": sent,
        "pictures": renderer["delivered"],
        "lost_or_out_of_order": renderer["misplaced"],
        "indices_rise": all(before < after for before, after in pairwise(indices)),
        "restarts": renderer["restarts"],
        "stage_mib": settled[-1].stage_mib,
        "renderer_mib": settled[-1].renderer_mib,
        "stage_grows_mib": stage_growth,
        "renderer_grows_mib": renderer_growth,
    }
    growth = stage_growth + renderer_growth
    yield SpeedTarget("pictures lost or out of order in a sweep", float(renderer["misplaced"]), 0.0, at_least=False)
    yield SpeedTarget("restarts in a sweep", float(renderer["restarts"]), 0.0, at_least=False)
    yield SpeedTarget("memory of stage and renderer, second half over first, MiB", growth, 16.0, at_least=False)


def _random_change(choices: random.Random) -> tuple[str, Any]:
    """Return the address and value of a random control change."""
    address = choices.choice(("/steps", "/strength", "/seed", "/prompt", "/preset"))
    values: dict[str, Any] = {
        "/steps": choices.choice((1, 2, 3, 4, 4, 6, 8, 12, 50)),  # mostly few, sometimes the maximum
        "/strength": choices.random(),
        "/seed": choices.randrange(2**31 - 1),
        "/prompt": choices.choice(PROMPTS),
        "/preset": choices.choice(PRESETS),
    }
    return address, values[address]


def _growth(readings: list[float]) -> float:
    """Return the median of the second half less that of the first, which a single outlier does not change."""
    half = len(readings) // 2
    return statistics.median(readings[half:]) - statistics.median(readings[:half])
