"""Table 1 of the paper: every gain a row of its own, all held against the vanilla loop; and the rivals directly."""

from collections.abc import Iterator
from dataclasses import replace
from itertools import product

from benchmarks.paper.available_contenders import DIFFUSERS, VANILLA, AvailableContenders, find_contenders
from benchmarks.paper.comparison import Comparison, compared, no_target
from benchmarks.paper.paired_runs import ContenderSpec, SamplingSettings
from benchmarks.plan import BenchPlan, Progress
from benchmarks.report.findings import Finding, Row, SpeedTarget

FASTER_THAN_VANILLA, FASTER_THAN_RIVAL = 10.0, 1.5
"""Promised of a GPU, at 4 steps, image-to-image."""
SIZES = (64, 128, 256, 512, 768, 1024)
LARGEST = {"cpu": 512, "cuda": 1024}
FASTER_AT_SIZES = 5.0
"""Promised of a GPU from 256 px on."""
PROMISED = SamplingSettings(4)


def measure_table(plan: BenchPlan, tell: Progress) -> Iterator[Finding]:
    """Rows for 1, 4 and 8 steps, both modes, with guidance and without; where it must be quick, of one look alone."""
    here = find_contenders(plan)
    full = plan.subject.full_autoencoder
    looks = [SamplingSettings(*each) for each in product(plan.subject.steps, ("text", "image"), (1.0, 2.0))]
    if plan.quick:
        looks = [SamplingSettings(min(4, max(plan.subject.steps)))]

    def targets(contender: ContenderSpec, look: SamplingSettings, figures: Row) -> Iterator[SpeedTarget]:
        if here.device == "cuda" and look == PROMISED and contender.settings == {"accelerator": here.best}:
            yield SpeedTarget("the stream over the vanilla loop, same precision", figures["ratio"], FASTER_THAN_VANILLA)

    base = replace(VANILLA, full_autoencoder=full)
    rows = Comparison(base, ladder(here, full, plan.quick), looks, plan.subject.size, targets=targets)
    yield from compared(plan, here, rows, tell)


def ladder(here: AvailableContenders, full_autoencoder: bool, quick: bool = False) -> list[ContenderSpec]:
    """The rows of the table below the vanilla loop, each one gain further."""
    tiny = replace(VANILLA, name="vanilla loop + tiny autoencoder")
    if not full_autoencoder:
        tiny = replace(tiny, missing="the autoencoder of every row is the model's own, which is tiny already")
    listed = [replace(DIFFUSERS, full_autoencoder=full_autoencoder), here.rival(full_autoencoder), tiny]
    for name in here.accelerators:
        if name == "eager" or quick:
            listed.append(here.stream(name, f"+ stream batch ({name})" if name == "eager" else f"+ {name}"))
        else:
            listed.append(here.in_both_precisions(name, f"+ {name}"))
    return listed


def measure_rivals(plan: BenchPlan, tell: Progress) -> Iterator[Finding]:
    """The stream on the fastest accelerator, held directly against each rival, with guidance and without."""
    here = find_contenders(plan)
    looks = [
        SamplingSettings(min(4, max(plan.subject.steps)), *each) for each in product(("text", "image"), (1.0, 2.0))
    ]
    stream = here.in_both_precisions(here.best, f"stream, {here.best}")

    def targets(contender: ContenderSpec, look: SamplingSettings, figures: Row) -> Iterator[SpeedTarget]:
        if here.device == "cuda" and look == PROMISED and contender == stream.in_asked_precision:
            yield SpeedTarget("the stream over StreamDiffusion's pipeline", figures["ratio"], FASTER_THAN_RIVAL)

    for rival in (here.rival(), DIFFUSERS):
        about = f", against {rival.name}"
        if rival.missing:
            yield {"configuration": f"{plan.subject.name}{about}", "missing": rival.missing}
            continue
        pair = Comparison(
            rival,
            [stream],
            looks,
            plan.subject.size,
            about=about,
            targets=targets if rival.kind == "streamdiffusion" else no_target,
        )
        yield from compared(plan, here, pair, tell)


def measure_sizes(plan: BenchPlan, tell: Progress) -> Iterator[Finding]:
    """Four steps, no guidance; up to the subject's largest size."""
    here = find_contenders(plan)
    steps = min(4, max(plan.subject.steps))
    looks = [SamplingSettings(steps, "text"), SamplingSettings(steps, "image")]
    largest = plan.subject.largest or LARGEST[here.device]
    streams = [here.stream(name) for name in here.accelerators]

    for size in (size for size in SIZES if size <= largest):

        def targets(
            contender: ContenderSpec, look: SamplingSettings, figures: Row, size: int = size
        ) -> Iterator[SpeedTarget]:
            if here.device == "cuda" and size >= 256 and contender.settings == {"accelerator": here.best}:
                name = f"the stream over the vanilla loop at {size} px, {look.mode}"
                yield SpeedTarget(name, figures["ratio"], FASTER_AT_SIZES)

        tell(f"{size} px")
        yield from compared(plan, here, Comparison(VANILLA, streams, looks, size, targets=targets), tell)
