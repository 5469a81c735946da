"""Every way to play that this machine has, by turns, and the one that `auto` took."""

import statistics
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

from benchmarks.child_process import ChildProcess
from benchmarks.plan import BenchPlan, Progress
from benchmarks.report.findings import Finding, NotMeasured, Row, SpeedTarget
from benchmarks.stream.measure_pipeline import BUILD_SECONDS, FULL, measured_name
from pipeline.accelerators.candidates import read_candidate

MODULE = "benchmarks.stream.candidate_pipeline"
AUTO = "auto"
TARGET = 0.95
"""Least share of the best way's rate that `auto` has to reach."""
LONGEST_TURN = 3.0
"""Seconds of one turn. Short turns meet the same load of the machine."""


def measure_auto(plan: BenchPlan, progress: Progress) -> Iterator[Finding]:
    """Compare all accelerators and precisions with `auto` in interleaved turns, each in a process of its own."""
    settings = plan.settings
    cache = str(settings.cache) if settings.cache else None
    preset = {"model": settings.model, "width": settings.size, "height": settings.size, "accelerator": "auto"}
    with ExitStack() as stack:

        def child() -> ChildProcess:
            return stack.enter_context(ChildProcess(MODULE, plan.folder))

        auto = child()
        progress("looking at what this machine has")
        found = auto.ask({"do": "candidates", "preset": preset, "cache": cache}, BUILD_SECONDS)
        ways: dict[str, ChildProcess] = {}
        described: dict[str, dict[str, Any]] = {}
        for value in found["candidates"]:
            name = read_candidate(value).words()
            if settings.accelerators and value["accelerator"] not in settings.accelerators:
                continue
            progress(f"building {name}")
            one = child()
            try:
                answer = one.ask({"do": "play", "preset": preset, "candidate": value, "cache": cache}, BUILD_SECONDS)
            except NotMeasured as error:
                yield {"configuration": _configuration(plan, name), "missing": str(error)}
                continue
            ways[name], described[name] = one, answer["description"]
        progress("building auto, and measuring where nothing is kept")
        answer = auto.ask({"do": "play", "preset": preset, "candidate": None, "cache": cache}, BUILD_SECONDS)
        ways[AUTO], described[AUTO] = auto, answer["description"]
        rates = _interleaved(ways, plan, progress)
    yield from _rows(plan, rates, described)
    yield SpeedTarget("auto, share of the best way's pictures a second", share_of_best(rates), TARGET)


def share_of_best(rates: dict[str, list[float]]) -> float:
    """Return the rate of `auto` over that of the way with the best median: the median of the paired turns."""
    best = max((name for name in rates if name != AUTO), key=lambda name: statistics.median(rates[name]), default=AUTO)
    return statistics.median(mine / its for mine, its in zip(rates[AUTO], rates[best], strict=True))


def _interleaved(ways: dict[str, ChildProcess], plan: BenchPlan, progress: Progress) -> dict[str, list[float]]:
    """Return the rates of every way in each turn. The order is reversed in every other turn."""
    rates: dict[str, list[float]] = {name: [] for name in ways}
    seconds = min(plan.seconds, LONGEST_TURN)
    for turn in range(plan.pairs):
        names = list(ways) if turn % 2 == 0 else list(reversed(ways))
        for name in names:
            progress(f"turn {turn + 1} of {plan.pairs}: {name}")
            rates[name].append(ways[name].ask({"do": "stream", "look": FULL, "seconds": seconds})["fps"])
    return rates


def _rows(plan: BenchPlan, rates: dict[str, list[float]], described: dict[str, dict[str, Any]]) -> Iterator[Row]:
    for name, fps in sorted(rates.items(), key=lambda item: -statistics.median(item[1])):
        of_auto = statistics.median(its / mine for its, mine in zip(fps, rates[AUTO], strict=True))
        told = described[name]
        yield {
            "configuration": _configuration(plan, name),
            "fps": statistics.median(fps),
            "of_auto": of_auto,
            **{key: told[key] for key in ("accelerator", "precision", "requests", "threads", "device")},
            **({"why": told["why"]} if name == AUTO else {}),
        }


def _configuration(plan: BenchPlan, name: str) -> str:
    return f"{measured_name(plan)}: {name}"
