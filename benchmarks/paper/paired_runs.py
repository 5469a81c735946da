"""Contenders in their processes, measured in interleaved pairs of turns or alone. Only pairs are compared."""

import statistics
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import NamedTuple

from benchmarks.child_process import ChildProcess
from benchmarks.paper.available_contenders import CONTENDER_PROCESS
from benchmarks.paper.contender import ContenderConfig, ContenderSpec, SamplingSettings
from benchmarks.plan import BenchPlan, Progress
from benchmarks.report.findings import NotMeasured, Row

BUILD_TIMEOUT = 3600.0
"""Time limit of a build in seconds. Some accelerators compile for minutes."""
TURN_TIMEOUT = 1800.0
"""Time limit of a turn in seconds. A large network takes minutes for each frame on a slow processor."""


@dataclass(frozen=True)
class RunningContender:
    """A contender that is built, in a process of its own."""

    child: ChildProcess
    description: Row

    def turn(self, look: SamplingSettings, seconds: float) -> Row:
        """Measure one turn. Return its frames, seconds, joules and memory."""
        return self.child.ask({"do": "turn", "look": look.parameters, "seconds": seconds}, TURN_TIMEOUT)

    def latency(self, look: SamplingSettings, seconds: float) -> Row:
        """Measure the latency of the frames of one turn."""
        return self.child.ask({"do": "latency", "look": look.parameters, "seconds": seconds}, TURN_TIMEOUT)


@contextmanager
def start_contender(plan: BenchPlan, spec: ContenderSpec, config: ContenderConfig) -> Iterator[RunningContender]:
    """Build the contender in a process of its own. Raise `NotMeasured` if it cannot be built."""
    shared = config._replace(full_autoencoder=spec.full_autoencoder)
    with ChildProcess(CONTENDER_PROCESS, plan.folder) as child:
        request = {"do": "build", "kind": spec.kind, "config": shared._asdict(), **spec.settings}
        yield RunningContender(child, child.ask(request, BUILD_TIMEOUT))


class PairFigures(NamedTuple):
    """Figures of both contenders of a comparison."""

    contender: Row
    base: Row


def run_pairs(
    contender: RunningContender, base: RunningContender, look: SamplingSettings, plan: BenchPlan, progress: Progress
) -> PairFigures:
    """Measure both in interleaved pairs of turns. The ratio is the median of the pairs' ratios."""
    turns: list[Row] = []
    base_turns: list[Row] = []
    for pair in range(plan.pairs):
        progress(f"{look.name}, pair {pair + 1} of {plan.pairs}")
        order = ((contender, turns), (base, base_turns))
        for running, results in order if pair % 2 == 0 else reversed(order):
            results.append(running.turn(look, plan.seconds))
    ratios = [_fps(turn) / _fps(base_turn) for turn, base_turn in zip(turns, base_turns, strict=True)]
    against = {
        "ratio": statistics.median(ratios),
        "base_fps": statistics.median(map(_fps, base_turns)),
        "pairs": len(ratios),
    }
    return PairFigures(turn_figures(turns) | against, turn_figures(base_turns))


def run_alone(running: RunningContender, look: SamplingSettings, plan: BenchPlan) -> Row:
    """Measure one contender alone. Its figures are not to be compared with those of another."""
    return turn_figures([running.turn(look, plan.seconds) for _ in range(plan.pairs)])


def turn_figures(turns: list[Row]) -> Row:
    """Return rate, watts, joules and memory of some turns. A figure that the machine does not report is None."""
    pictures, seconds = sum(turn["pictures"] for turn in turns), sum(turn["seconds"] for turn in turns)
    readings = [turn["joules"] for turn in turns if turn["joules"] is not None]
    joules = sum(readings) if len(readings) == len(turns) else None
    return {
        "fps": statistics.median(map(_fps, turns)),
        "pictures": pictures,
        "watts": None if joules is None else joules / seconds,
        "joules_a_picture": None if joules is None else joules / max(pictures, 1),
        "peak_memory_mib": max(turn["peak_memory_mib"] for turn in turns),
        "memory_of": turns[0]["memory_of"],
    }


def _fps(turn: Row) -> float:
    if not turn["pictures"]:
        raise NotMeasured("a contender drew the same frame all the time")
    return float(turn["pictures"] / turn["seconds"])
