"""Changes of the model on a running show: the longest gap of the output, and memory by the visits of each model."""

import itertools
import statistics
import threading
import time
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.options import write_architecture
from benchmarks.plan import BenchPlan, Progress
from benchmarks.report.findings import Finding, NotMeasured, Row, SpeedTarget
from benchmarks.show.osc_sender import OscSender
from benchmarks.show.received_frames import ReceivedFrame, tick_intervals_ms
from benchmarks.show.show_process import ShowProcess
from benchmarks.stream.measure_pipeline import measured_preset
from daemon.shared.clock import NS

CHANGES = 10
FPS = 30
PERIOD_MS = 1000 / FPS
AFTER = 2.0
"""Seconds observed after a change, in which the old renderer ends and caches of the new one fill."""
READINGS = 5
"""Readings of the memory in those seconds. Their median counts."""
SMALL = "tiny-perflow"
"""Architecture that the shipped model alternates with where no models are named."""


class ModelVisit(NamedTuple):
    """One time that a model played."""

    model: str
    stage_mib: float
    renderer_mib: float

    @property
    def total_mib(self) -> float:
        """Memory of stage and renderer."""
        return self.stage_mib + self.renderer_mib


def measure_models(plan: BenchPlan, progress: Progress) -> Iterator[Finding]:
    """Change the model ten times under moving frames and OSC messages, and read every tick at the sink."""
    models = plan.settings.among or (plan.settings.model, write_architecture(SMALL, plan.folder).model)
    preset = measured_preset(plan) | {"model": models[0]}
    visits, longest = [], 0.0
    source = f"card:?size={preset['width']}x{preset['height']}"
    with ShowProcess(plan.folder / "models", preset, source=source, fps=FPS, folders=_folders(models)) as show:
        progress(f"starting a show with {_short(models[0])}")
        show.first_frame()
        visits.append(_visit(show, models[0]))
        for number in range(1, CHANGES + 1):
            model = models[number % len(models)]
            progress(f"change {number} of {CHANGES}, to {_short(model)}")
            row = _change(show, model, visits)
            longest = max(longest, row["longest_gap_ms"])
            yield {"configuration": f"change {number} on a running show, to {_short(model)}"} | row
        restarts = show.status()["renderer"]["restarts"]
    growth = yield from _growth(visits)
    yield SpeedTarget("longest gap of the output while models are changed, periods", longest / PERIOD_MS, 2.0, False)
    yield SpeedTarget("memory at the last visit of a model over its first, at most, %", growth, 5.0, False)
    yield SpeedTarget("restarts while models are changed", float(restarts), 0.0, False)


def _change(show: ShowProcess, model: str, visits: list[ModelVisit]) -> Row:
    """Change the model, wait until it plays alone, and return the figures of the output meanwhile."""
    missed, since = show.status()["missed_ticks"], time.monotonic_ns()
    with OscSender(show.osc_port) as osc, _moving_fader(osc):
        show.set_value("/model", model)
        show.wait_for_renderer(partial(_plays, show, model), _short(model))
        seconds = (time.monotonic_ns() - since) / NS
        visits.append(_visit(show, model))
    frames = show.reader.since(since)
    return {
        "longest_gap_ms": max(tick_intervals_ms(frames)),
        "longest_gap_periods": max(tick_intervals_ms(frames)) / PERIOD_MS,
        "ticks": len(frames),
        "ticks_left_out": frames[-1].tick - frames[0].tick + 1 - len(frames),
        "missed_ticks": show.status()["missed_ticks"] - missed,
        "slates": _slates(frames),
        "changed_after_s": seconds,
        "stage_mib": visits[-1].stage_mib,
        "renderer_mib": visits[-1].renderer_mib,
    }


def _visit(show: ShowProcess, model: str) -> ModelVisit:
    """Return the memory of a model that plays, the median of some readings."""
    readings = []
    for _ in range(READINGS):
        time.sleep(AFTER / READINGS)
        readings.append(show.memory_mib())
    stage, renderer = (statistics.median(figures) for figures in zip(*readings, strict=True))
    return ModelVisit(model, stage, renderer)


def _growth(visits: Sequence[ModelVisit]) -> Generator[Finding, None, float]:
    """Yield the first and the last visit of each model that played twice, and return the largest growth in percent."""
    largest = 0.0
    for model in dict.fromkeys(visit.model for visit in visits):
        played = [visit for visit in visits if visit.model == model]
        if len(played) < 2:
            continue
        first, last = played[0], played[-1]
        percent = 100 * (last.total_mib / first.total_mib - 1)
        largest = max(largest, percent)
        yield {
            "configuration": f"memory of stage and renderer, first and last visit of {_short(model)}",
            "first_mib": first.total_mib,
            "last_mib": last.total_mib,
            "stage_first_mib": first.stage_mib,
            "stage_last_mib": last.stage_mib,
            "growth_percent": percent,
        }
    return largest


@contextmanager
def _moving_fader(osc: OscSender) -> Iterator[None]:
    """Send sixty messages a second that move the strength."""
    over = threading.Event()

    def move() -> None:
        for number in itertools.count():
            if over.wait(1 / 60):
                return
            osc.send("/strength", 0.5 + number % 40 / 100)

    thread = threading.Thread(target=move, name="moving fader", daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def _folders(models: Sequence[str]) -> list[Path]:
    """Return the models that are folders. Messages name them only if the command line does."""
    return [Path(model) for model in models if Path(model).is_dir()]


def _plays(show: ShowProcess, model: str, renderer: dict[str, Any]) -> bool:
    """Return True if a model plays alone. Raise `NotMeasured` if the show has gone back to another one."""
    if show.value("/model") != model:
        raise NotMeasured(f"{_short(model)} does not play: {renderer['failure']}")
    return bool(renderer.get("model") == model) and "next" not in renderer


def _slates(frames: Sequence[ReceivedFrame]) -> int:
    return sum(not frame.rendered for frame in frames)


def _short(model: str) -> str:
    return Path(model).name
