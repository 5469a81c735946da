"""Autoencoders by themselves, and Table 2's question: what acceleration costs in pictures."""

from collections.abc import Iterator
from contextlib import ExitStack
from itertools import product
from pathlib import Path
from typing import Any

from benchmarks.child_process import ChildProcess
from benchmarks.paper.available_contenders import AvailableContenders, find_contenders
from benchmarks.paper.paired_runs import BUILD_TIMEOUT, SamplingSettings
from benchmarks.plan import BenchPlan, Progress
from benchmarks.report.findings import Finding, NotMeasured, Row, SpeedTarget

STRENGTH = 0.6
"""Of image-to-image where pictures are compared: source and words both count."""
ALIKE_DB = 40.0
"""From here on nobody tells two pictures apart side by side."""


def measure_quality(plan: BenchPlan, tell: Progress) -> Iterator[Finding]:
    """The stream's pictures against those of diffusers' own pipeline in float32."""
    here, subject = find_contenders(plan), plan.subject
    steps = min(4, max(subject.steps))
    looks = [SamplingSettings(steps, mode, guidance) for mode, guidance in product(("text", "image"), (1.0, 2.0))]
    asked = {
        "do": "reference",
        "subject": _subject(plan, here) | {"most_steps": steps},
        "pictures": 6 if plan.quick else subject.pictures,
        "footage": _text(subject.footage),
        "clip": _text(subject.clip),
        "inception": _text(subject.inception),
    }
    own_is_asked: set[str] = set()
    """Accelerators whose own precision is the comparison's: their pictures are drawn once."""
    with ExitStack() as stack:
        children: list[ChildProcess] = []
        for look in looks:
            where = f"{subject.name} at {subject.size}x{subject.size}, {look.words}, against diffusers"
            wanted = [
                (name, own)
                for name in here.accelerators
                for own in ((True, False) if name != "eager" and name not in own_is_asked else (False,))
                if f"{where}: {_named(name, own)}" not in plan.known
            ]
            if not wanted:
                continue
            if not children:
                children.append(stack.enter_context(ChildProcess("benchmarks.paper.contender_process", plan.folder)))
            tell(f"{look.words}: diffusers draws")
            drawn = look.parameters | ({"strength": STRENGTH} if look.mode == "image" else {})
            reference = children[0].ask(asked | {"look": drawn}, BUILD_TIMEOUT)
            answers: dict[str, Row] = {}
            """Of those that were drawn already."""
            for name, own in wanted:
                row = {
                    "configuration": f"{where}: {_named(name, own)}",
                    "axes": look.axes | {"contender": _named(name, own)},
                }
                tell(f"{look.words}: {_named(name, own)} draws")
                try:
                    request = {"do": "compare", "accelerator": name, "own_precision": own or name in own_is_asked}
                    answer = answers.get(name) or children[0].ask(request, BUILD_TIMEOUT)
                except NotMeasured as error:
                    yield row | {"missing": str(error)}
                    continue
                if own and answer["precision"] == here.precision:
                    own_is_asked.add(name)
                    answers[name] = answer
                    yield row | {
                        "missing": f"by itself it takes {here.precision} here too: the row of {name} is its own"
                    }
                    continue
                if name == here.best:
                    words = f"{_named(name, own)} against diffusers, {look.words}: worst PSNR, dB"
                    yield SpeedTarget(words, answer["psnr_worst_db"], ALIKE_DB)
                yield row | answer | reference


def _text(path: Path | None) -> str | None:
    return None if path is None else str(path)


def _named(accelerator: str, own_precision: bool) -> str:
    return f"{accelerator} in its own precision" if own_precision else accelerator


def _subject(plan: BenchPlan, here: AvailableContenders) -> dict[str, Any]:
    return {
        "model": plan.subject.model,
        "width": plan.subject.size,
        "height": plan.subject.size,
        "precision": here.precision,
        "most_steps": max(plan.subject.steps),
        "cache": str(plan.subject.cache) if plan.subject.cache else None,
    }
