"""Processor time of a frame in another layout on its way in, and of the pictures between two drawn ones."""

import json
import statistics
import time
from collections.abc import Callable, Iterator
from functools import partial

import numpy as np

from benchmarks.plan import BenchPlan, Progress
from benchmarks.report.findings import Finding, SpeedTarget
from io_bridges.array_message import decode
from io_bridges.between import PicturePair
from io_bridges.card import draw_card
from io_bridges.frames import Pixels

FEWEST = 20
"""Calls of each kind, at least."""
HALF_PERIOD_MS = 1000 / 60 / 2


def measure_frames(plan: BenchPlan, progress: Progress) -> Iterator[Finding]:
    """Measure messages of TouchDesigner's layouts until they are frames, and pictures along the optical flow."""
    alpha = np.full((1080, 1920, 1), 255, np.uint8)
    bgra = np.ascontiguousarray(np.dstack([draw_card(3, 1920, 1080)[::-1, :, ::-1], alpha]))
    floats = np.dstack([draw_card(3, 1280, 720), alpha[:720, :1280]]).astype(np.float32) / 255
    layouts = (
        ("BGRA from the bottom, 1920x1080, to a frame", bgra, {"format": "bgra", "origin": "bottom-left"}, 2.5),
        ("float32 RGBA, 1280x720, to a frame", floats, {"format": "rgba"}, 4.0),
    )
    for name, array, keys, target in layouts:
        progress(name)
        header = json.dumps({"dtype": str(array.dtype), "shape": array.shape, **keys}).encode()
        parts = [header, array.tobytes()]
        took = _milliseconds(partial(_frame_of, parts), plan)
        yield {"configuration": name, "median_ms": took}
        yield SpeedTarget(name, took, target, at_least=False)
    yield from _between(plan, progress)


def _frame_of(parts: list[bytes]) -> Pixels:
    return decode(parts).rgb()


def _between(plan: BenchPlan, progress: Progress) -> Iterator[Finding]:
    earlier, later = draw_card(3, 512, 512), draw_card(8, 512, 512)
    pair = PicturePair(earlier, later, "flow")
    steps: tuple[tuple[str, Callable[[], object]], ...] = (
        ("flow between two pictures, 512x512", lambda: PicturePair(earlier, later, "flow")),
        ("one picture along the flow, 512x512", lambda: pair.at(0.4)),
    )
    for name, step in steps:
        progress(name)
        took = _milliseconds(step, plan)
        yield {"configuration": name, "median_ms": took}
        yield SpeedTarget(f"{name}, half a period at 60/s", took, HALF_PERIOD_MS, at_least=False)


def _milliseconds(step: Callable[[], object], plan: BenchPlan) -> float:
    """Return the median time of a step in ms, measured for the seconds of one turn."""
    step()
    taken: list[float] = []
    until = time.monotonic() + plan.seconds
    while len(taken) < FEWEST or time.monotonic() < until:
        began = time.perf_counter()
        step()
        taken.append((time.perf_counter() - began) * 1000)
    return statistics.median(taken)
