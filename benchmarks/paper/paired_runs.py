"""Two contenders by turns in one run: only what was measured so is compared."""

import statistics
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from benchmarks.child_process import ChildProcess
from benchmarks.plan import BenchPlan, Progress
from benchmarks.report.findings import NotMeasured, Row

BUILD_TIMEOUT = 3600.0
"""Seconds: some accelerators compile for minutes."""
TURN_TIMEOUT = 1800.0
"""Of one turn, which is at least a few pictures: on a slow processor a large network takes minutes for each."""


@dataclass(frozen=True)
class ContenderSpec:
    """Who draws, as `benchmarks.paper.contender_process` builds it."""

    name: str
    """As rows and plots call it."""
    kind: str
    settings: dict[str, Any] = field(default_factory=dict)
    full_autoencoder: bool = False
    missing: str = ""
    """Why it can't be measured here."""
    in_asked_precision: "ContenderSpec | None" = None
    """The same in the comparison's precision. Where this one, in its own, comes to that too, it is measured as that one
    and built once; else that one is measured after it."""
    less_precision: bool = False
    """Whether it is the base but for its own precision: nothing else than the base where that takes the asked one."""


@dataclass(frozen=True)
class SamplingSettings:
    """What is drawn."""

    steps: int
    mode: str = "image"
    guidance: float = 1.0
    kind: str = "full"
    """Of guidance."""

    @property
    def words(self) -> str:
        """For rows."""
        how = "text-to-image" if self.mode == "text" else "image-to-image"
        calls = f"{self.steps} step" + ("s" if self.steps > 1 else "")
        guided = (
            "off" if self.guidance == 1 else f"{self.guidance:g}" + ("" if self.kind == "full" else f" {self.kind}")
        )
        return f"{calls}, {how}, guidance {guided}"

    @property
    def parameters(self) -> dict[str, Any]:
        """Of `presets.parameters`. Strength 0.95: at up to 8 steps as many network calls as steps, and the encoder."""
        strength = 1.0 if self.mode == "text" else 0.95
        drawn = {"mode": self.mode, "strength": strength, "steps": self.steps}
        return drawn | {"guidance": self.guidance, "guidance_kind": self.kind}

    @property
    def axes(self) -> dict[str, Any]:
        """For plots."""
        return {"steps": self.steps, "mode": self.mode, "guidance": self.guidance, "guidance_kind": self.kind}


@contextmanager
def start_contender(
    plan: BenchPlan, contender: ContenderSpec, size: int, most_steps: int, precision: str
) -> Iterator["RunningContender"]:
    """The contender, built, in a process of its own. Raises `NotMeasured` where it can't be."""
    subject = {
        "model": plan.subject.model,
        "width": size,
        "height": size,
        "precision": precision,
        "most_steps": most_steps,
        "full_autoencoder": contender.full_autoencoder,
        "cache": str(plan.subject.cache) if plan.subject.cache else None,
    }
    with ChildProcess("benchmarks.paper.contender_process", plan.folder) as child:
        request = {"do": "build", "kind": contender.kind, "subject": subject, **contender.settings}
        yield RunningContender(child, child.ask(request, BUILD_TIMEOUT))


@dataclass(frozen=True)
class RunningContender:
    """A contender that is ready."""

    child: ChildProcess
    description: Row

    def turn(self, look: SamplingSettings, seconds: float) -> Row:
        """Its pictures of one turn."""
        request = {"do": "turn", "look": look.parameters, "seconds": seconds}
        return self.child.ask(request, TURN_TIMEOUT)

    def latency(self, look: SamplingSettings, seconds: float) -> Row:
        """Its pictures' ages in one turn."""
        return self.child.ask({"do": "latency", "look": look.parameters, "seconds": seconds}, TURN_TIMEOUT)


class PairFigures(NamedTuple):
    """What a run_pairs tells of both."""

    one: Row
    base: Row


def run_pairs(
    one: RunningContender, base: RunningContender, look: SamplingSettings, plan: BenchPlan, tell: Progress
) -> PairFigures:
    """What both come to, and the rate of `one` over that of `base`: the median of pairs of turns."""
    turns: dict[str, list[Row]] = {"one": [], "base": []}
    for pair in range(plan.pairs):
        tell(f"{look.words}, pair {pair + 1} of {plan.pairs}")
        order = (("one", one), ("base", base)) if pair % 2 == 0 else (("base", base), ("one", one))
        for name, who in order:
            turns[name].append(who.turn(look, plan.seconds))
    ratios = [_fps(mine) / _fps(other) for mine, other in zip(turns["one"], turns["base"], strict=True)]
    against = {
        "ratio": statistics.median(ratios),
        "base_fps": statistics.median(map(_fps, turns["base"])),
        "pairs": len(ratios),
    }
    return PairFigures(alone_figures(turns["one"]) | against, alone_figures(turns["base"]))


def run_alone(one: RunningContender, look: SamplingSettings, plan: BenchPlan) -> Row:
    """The figures of one that the others are held against, where no run_pairs has told them."""
    return alone_figures([one.turn(look, plan.seconds) for _ in range(plan.pairs)])


def alone_figures(turns: list[Row]) -> Row:
    """Rate, watts, joules and memory of some turns; None where this machine does not tell."""
    pictures, seconds = sum(turn["pictures"] for turn in turns), sum(turn["seconds"] for turn in turns)
    told = [turn["joules"] for turn in turns if turn["joules"] is not None]
    joules = sum(told) if len(told) == len(turns) else None
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
        raise NotMeasured("a contender drew the same picture all the time")
    return float(turn["pictures"] / turn["seconds"])
