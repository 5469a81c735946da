"""Figure 4 of the paper: what each part brings, by taking one at a time out of the whole."""

from collections.abc import Iterator
from dataclasses import replace

from benchmarks.paper.available_contenders import VANILLA, find_contenders
from benchmarks.paper.comparison import Comparison, compared
from benchmarks.paper.paired_runs import ContenderSpec, SamplingSettings
from benchmarks.plan import BenchPlan, Progress
from benchmarks.report.findings import Finding, Row, SpeedTarget

ACCELERATOR_OVER_EAGER = 2.0
"""Promised of OpenVINO on a processor."""
ONE_CALL_OVER_MANY = 2.0
"""Promised of a GPU."""
NO_OVERLAP = "on a processor every part has all the cores to itself, one after another: the whole is without it too"


def measure_ablation(plan: BenchPlan, tell: Progress) -> Iterator[Finding]:
    """The whole first; then it without one part each, as a ratio over the whole: lower is the more that part brings."""
    here = find_contenders(plan)
    look = SamplingSettings(min(4, max(plan.subject.steps)))
    whole = here.stream(here.best, "the whole", own_precision=True)
    without_accelerator = here.stream("eager", "without the accelerator (eager)", own_precision=False)
    overlapping = here.stream(
        here.best, "without the overlap (encode, denoise, decode one after another)", own_precision=True, overlap=False
    )
    if here.device == "cpu" and not overlapping.missing:
        overlapping = replace(overlapping, missing=NO_OVERLAP)
    parts = [
        replace(here.stream(here.best, "without its own precision"), less_precision=True),
        here.stream(here.best, "without the stream batch", own_precision=True, alone=True),
        here.stream(here.best, "without one call for all timesteps", own_precision=True, one_call=False),
        overlapping,
        without_accelerator,
        replace(whole, name="without the tiny autoencoder", full_autoencoder=True),
        replace(VANILLA, name="without all of it (vanilla loop)"),
    ]

    def targets(contender: ContenderSpec, look: SamplingSettings, figures: Row) -> Iterator[SpeedTarget]:
        if here.device == "cpu" and contender is without_accelerator:
            yield SpeedTarget(
                "the accelerator over eager torch, the same stream", 1 / figures["ratio"], ACCELERATOR_OVER_EAGER
            )

    comparison = Comparison(whole, parts, [look], plan.subject.size, {"panel": "parts"}, targets=targets)
    yield from compared(plan, here, comparison, tell)
    guided = [
        SamplingSettings(look.steps, "image", 2.0, kind)
        for kind in ("full", "onetime_negative", "self_negative", "free")
    ]
    same = replace(whole, name="the whole, guided")
    yield from compared(plan, here, Comparison(same, [], guided, plan.subject.size, {"panel": "guidance"}), tell)


def measure_forward(plan: BenchPlan, tell: Progress) -> Iterator[Finding]:
    """One call for a batch of mixed timesteps, against the paper's adaptive forward: one for each distinct timestep."""
    here = find_contenders(plan)
    several = [steps for steps in plan.subject.steps if steps > 1]
    if not several:
        yield {"configuration": plan.subject.name, "missing": "at one step all pictures stand at the same timestep"}
        return
    looks = [SamplingSettings(steps, "text", guidance) for steps in several for guidance in (1.0, 2.0)]
    for name in here.accelerators:
        one = here.stream(name, f"{name}, one call a step", own_precision=True)
        many = here.stream(name, f"{name}, one call for each distinct timestep", own_precision=True, one_call=False)

        def targets(
            contender: ContenderSpec, look: SamplingSettings, figures: Row, name: str = name
        ) -> Iterator[SpeedTarget]:
            if here.device == "cuda" and name == here.best and look == SamplingSettings(4, "text"):
                yield SpeedTarget("one call over one for each timestep", figures["ratio"], ONE_CALL_OVER_MANY)

        yield from compared(plan, here, Comparison(many, [one], looks, plan.subject.size, targets=targets), tell)
