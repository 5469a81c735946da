"""Figure 4 of the paper: the gain of each part, by removing one at a time from the whole."""

from collections.abc import Iterator
from dataclasses import replace

from benchmarks.paper.available_contenders import VANILLA, AvailableContenders, find_contenders
from benchmarks.paper.comparison import ContenderComparison, compare
from benchmarks.paper.contender import ContenderSpec, SamplingSettings
from benchmarks.plan import BenchPlan, Progress
from benchmarks.report.findings import Finding, Row, SpeedTarget

ACCELERATOR_OVER_EAGER = 2.0
"""Target of OpenVINO on a processor."""
ONE_CALL_OVER_MANY = 2.0
"""Target on a GPU."""
NO_OVERLAP = "on a processor encoder, network and decoder run one after another in the whole too"
WITHOUT_ACCELERATOR = "without the accelerator (eager)"


def measure_ablation(plan: BenchPlan, progress: Progress) -> Iterator[Finding]:
    """Compare the stream without each part with the whole. The lower the ratio, the greater the part's gain."""
    available = find_contenders(plan)
    look = SamplingSettings(plan.settings.typical_steps)
    whole = available.stream(available.best, "the whole", own_precision=True)

    def targets(contender: ContenderSpec, look: SamplingSettings, figures: Row) -> Iterator[SpeedTarget]:
        if available.device == "cpu" and contender.name == WITHOUT_ACCELERATOR:
            yield SpeedTarget(
                "the accelerator over eager torch, the same stream", 1 / figures["ratio"], ACCELERATOR_OVER_EAGER
            )

    size = plan.settings.size
    parts = ContenderComparison(
        whole, without_each_part(available, whole), [look], size, {"panel": "parts"}, targets=targets
    )
    yield from compare(plan, available, parts, progress)
    kinds = ("full", "onetime_negative", "self_negative", "free")
    guided = [SamplingSettings(look.steps, "image", 2.0, kind) for kind in kinds]
    same = replace(whole, name="the whole, guided")
    yield from compare(plan, available, ContenderComparison(same, [], guided, size, {"panel": "guidance"}), progress)


def without_each_part(available: AvailableContenders, whole: ContenderSpec) -> list[ContenderSpec]:
    """Return the whole stream with one part removed in each."""
    best = available.best
    overlap = "without the overlap (encode, denoise, decode one after another)"
    no_overlap = available.stream(best, overlap, own_precision=True, overlap=False)
    if available.device == "cpu" and not no_overlap.missing:
        no_overlap = replace(no_overlap, missing=NO_OVERLAP)
    return [
        replace(available.stream(best, "without its own precision"), less_precision=True),
        available.stream(best, "without the stream batch", own_precision=True, alone=True),
        available.stream(best, "without one call for all timesteps", own_precision=True, one_call=False),
        no_overlap,
        available.stream("eager", WITHOUT_ACCELERATOR, own_precision=False),
        replace(whole, name="without the tiny autoencoder", full_autoencoder=True),
        replace(VANILLA, name="without all of it (vanilla loop)"),
    ]


def measure_forward(plan: BenchPlan, progress: Progress) -> Iterator[Finding]:
    """Compare one call for mixed timesteps with the paper's adaptive forward, one call for each distinct timestep."""
    available = find_contenders(plan)
    several = [steps for steps in plan.settings.steps if steps > 1]
    if not several:
        yield {"configuration": plan.settings.name, "missing": "at one step all frames are at the same timestep"}
        return
    looks = [SamplingSettings(steps, "text", guidance) for steps in several for guidance in (1.0, 2.0)]
    target_look = SamplingSettings(4, "text")
    for name in available.accelerators:
        one = available.stream(name, f"{name}, one call a step", own_precision=True)
        each = f"{name}, one call for each distinct timestep"
        many = available.stream(name, each, own_precision=True, one_call=False)

        def targets(
            contender: ContenderSpec, look: SamplingSettings, figures: Row, name: str = name
        ) -> Iterator[SpeedTarget]:
            if available.device == "cuda" and name == available.best and look == target_look:
                yield SpeedTarget("one call over one for each timestep", figures["ratio"], ONE_CALL_OVER_MANY)

        comparison = ContenderComparison(many, [one], looks, plan.settings.size, targets=targets)
        yield from compare(plan, available, comparison, progress)
