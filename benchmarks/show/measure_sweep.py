"""Faders swept at random on a running show: no picture lost or out of order, no restart, memory flat."""

import itertools
import random
import statistics
import time
from collections.abc import Iterator
from typing import Any

from pythonosc.osc_message_builder import build_msg

from benchmarks.plan import BenchPlan, Progress
from benchmarks.report.findings import Finding, NotMeasured, SpeedTarget
from benchmarks.show.osc_flood import OscSender
from benchmarks.show.received_frames import distinct_frames
from benchmarks.show.show_process import ShowProcess
from benchmarks.stream.measure_pipeline import MODEL, NAME
from daemon.shared.clock import NS

MINUTES_A_SECOND = 2.0
"""Of a sweep, for each second that a turn of the plan has: ten minutes by default."""
BEAT = 0.05
"""Seconds between two messages."""
LOOKS = ("fire", "golden-veins", "ice-cells", "neon")
TEXTS = ("a neon tunnel", "blue rings on black", "green cells", "violet plasma, slow", "", "white ice")
SEED = 11


def measure_sweep(plan: BenchPlan, tell: Progress) -> Iterator[Finding]:
    """Steps, strength, seed, prompt and look, each at random, twenty messages a second."""
    lasts = plan.seconds * MINUTES_A_SECOND * 60
    picks = random.Random(SEED)
    with (
        ShowProcess(plan.folder / "sweep", MODEL | {"mode": "image"}, source="card:?size=256x256", fps=30) as show,
        OscSender(show.osc_port) as osc,
    ):
        tell("starting a show")
        show.first_picture()
        begun_with = show.status()["renderer"]
        began, sent = time.monotonic(), 0
        memory: list[tuple[float, float, float]] = []
        while (elapsed := time.monotonic() - began) < lasts:
            osc.send_datagram(build_msg(*_message(picks)).dgram)
            sent += 1
            if elapsed >= len(memory) * lasts / 40:
                tell(f"{elapsed / 60:.1f} of {lasts / 60:.0f} minutes")
                memory.append((elapsed, *show.memory_mib()))
            time.sleep(BEAT)
        status = show.status()
        indices = [arrival.index for arrival in distinct_frames(show.reader.arrivals)]
    renderer = status["renderer"]
    if renderer["pid"] != begun_with["pid"] and not renderer["restarts"]:
        raise NotMeasured("another renderer plays than the one that began, and no restart was told")
    # The first fifth fills caches: schedules, noises, texts.
    settled = [row for row in memory if row[0] >= lasts / 5]
    stage, drawn = (_growth([(at, row[place]) for at, *row in settled]) for place in (0, 1))
    yield {
        "configuration": f"daemon, {NAME}, steps, strength, seed, prompt and look swept at random",
        "fps": status["rendered"] / (time.monotonic_ns() - show.started_at) * NS,
        "minutes": lasts / 60,
        "messages": sent,
        "pictures": renderer["delivered"],
        "lost_or_out_of_order": renderer["misplaced"],
        "indices_rise": all(one < other for one, other in itertools.pairwise(indices)),
        "restarts": renderer["restarts"],
        "stage_mib": settled[-1][1],
        "renderer_mib": settled[-1][2],
        "stage_grows_mib": stage,
        "renderer_grows_mib": drawn,
    }
    yield SpeedTarget("pictures lost or out of order in a sweep", float(renderer["misplaced"]), 0.0, at_least=False)
    yield SpeedTarget("restarts in a sweep", float(renderer["restarts"]), 0.0, at_least=False)
    yield SpeedTarget("memory of stage and renderer, second half over first, MiB", stage + drawn, 16.0, False)


def _message(picks: random.Random) -> tuple[str, list[Any]]:
    address = picks.choice(("/steps", "/strength", "/seed", "/prompt", "/preset"))
    arguments: dict[str, Any] = {
        # Mostly few, now and then as many as there may be.
        "/steps": picks.choice((1, 2, 3, 4, 4, 6, 8, 12, 50)),
        "/strength": picks.random(),
        "/seed": picks.randrange(2**31 - 1),
        "/prompt": picks.choice(TEXTS),
        "/preset": picks.choice(LOOKS),
    }
    return address, [arguments[address]]


def _growth(readings: list[tuple[float, float]]) -> float:
    """The median of the last half over that of the first: what memory rose by, whatever one reading says."""
    values = [value for _, value in readings]
    half = len(values) // 2
    return statistics.median(values[half:]) - statistics.median(values[:half])
