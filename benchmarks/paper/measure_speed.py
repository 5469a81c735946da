"""Table 1 and figure 5 of the paper: every gain over the vanilla loop, sizes, and the rivals directly."""

from collections.abc import Iterator
from dataclasses import replace
from itertools import product

from benchmarks.paper.available_contenders import DIFFUSERS, VANILLA, AvailableContenders, find_contenders
from benchmarks.paper.comparison import ContenderComparison, compare, no_target
from benchmarks.paper.contender import ContenderSpec, SamplingSettings
from benchmarks.plan import BenchPlan, Progress
from benchmarks.report.findings import Finding, Row, SpeedTarget

OVER_VANILLA, OVER_RIVAL, OVER_VANILLA_AT_SIZES = 10.0, 1.5, 5.0
"""Targets on a GPU: at 4 steps image-to-image, against StreamDiffusion there, and at 4 steps from 256 px on."""
TARGET_LOOK = SamplingSettings(4)
SIZES = (64, 128, 256, 512, 768, 1024)
LARGEST = {"cpu": 512, "cuda": 1024}


def measure_table(plan: BenchPlan, progress: Progress) -> Iterator[Finding]:
    """Measure all step counts in both modes, with and without guidance; a quick bench only one of these."""
    available = find_contenders(plan)
    full = plan.settings.full_autoencoder
    looks = [SamplingSettings(*each) for each in product(plan.settings.steps, ("text", "image"), (1.0, 2.0))]
    if plan.quick:
        looks = [SamplingSettings(plan.settings.typical_steps)]

    def targets(contender: ContenderSpec, look: SamplingSettings, figures: Row) -> Iterator[SpeedTarget]:
        if available.device == "cuda" and look == TARGET_LOOK and contender.settings == {"accelerator": available.best}:
            yield SpeedTarget("the stream over the vanilla loop, same precision", figures["ratio"], OVER_VANILLA)

    base = replace(VANILLA, full_autoencoder=full)
    rows = gains(available, full, plan.quick)
    comparison = ContenderComparison(base, rows, looks, plan.settings.size, targets=targets)
    yield from compare(plan, available, comparison, progress)


def gains(available: AvailableContenders, full_autoencoder: bool, quick: bool = False) -> list[ContenderSpec]:
    """Return the rows of the table below the vanilla loop. Each adds one gain to the one before."""
    tiny = replace(VANILLA, name="vanilla loop + tiny autoencoder")
    if not full_autoencoder:
        tiny = replace(tiny, missing="every row has the model's own autoencoder, which is tiny already")
    rows = [replace(DIFFUSERS, full_autoencoder=full_autoencoder), available.rival(full_autoencoder), tiny]
    for name in available.accelerators:
        if name == "eager" or quick:
            rows.append(available.stream(name, f"+ stream batch ({name})" if name == "eager" else f"+ {name}"))
        else:
            rows.append(available.in_both_precisions(name, f"+ {name}"))
    return rows


def measure_rivals(plan: BenchPlan, progress: Progress) -> Iterator[Finding]:
    """Compare the stream on the fastest accelerator with each rival, with and without guidance."""
    available = find_contenders(plan)
    steps = plan.settings.typical_steps
    looks = [SamplingSettings(steps, *each) for each in product(("text", "image"), (1.0, 2.0))]
    stream = available.in_both_precisions(available.best, f"stream, {available.best}")

    def targets(contender: ContenderSpec, look: SamplingSettings, figures: Row) -> Iterator[SpeedTarget]:
        if available.device == "cuda" and look == TARGET_LOOK and contender == stream.in_asked_precision:
            yield SpeedTarget("the stream over StreamDiffusion's pipeline", figures["ratio"], OVER_RIVAL)

    for rival in (available.rival(), DIFFUSERS):
        about = f", against {rival.name}"
        if rival.missing:
            yield {"configuration": f"{plan.settings.name}{about}", "missing": rival.missing}
            continue
        comparison = ContenderComparison(
            rival,
            [stream],
            looks,
            plan.settings.size,
            about=about,
            targets=targets if rival.kind == "streamdiffusion" else no_target,
        )
        yield from compare(plan, available, comparison, progress)


def measure_sizes(plan: BenchPlan, progress: Progress) -> Iterator[Finding]:
    """Compare each accelerator with the vanilla loop at every size in both modes, without guidance."""
    available = find_contenders(plan)
    steps = plan.settings.typical_steps
    looks = [SamplingSettings(steps, "text"), SamplingSettings(steps, "image")]
    largest = plan.settings.largest or LARGEST[available.device]
    streams = [available.stream(name) for name in available.accelerators]

    for size in (size for size in SIZES if size <= largest):

        def targets(
            contender: ContenderSpec, look: SamplingSettings, figures: Row, size: int = size
        ) -> Iterator[SpeedTarget]:
            best = {"accelerator": available.best}
            if available.device == "cuda" and size >= 256 and contender.settings == best:
                name = f"the stream over the vanilla loop at {size} px, {look.mode}"
                yield SpeedTarget(name, figures["ratio"], OVER_VANILLA_AT_SIZES)

        progress(f"{size} px")
        yield from compare(
            plan, available, ContenderComparison(VANILLA, streams, looks, size, targets=targets), progress
        )
