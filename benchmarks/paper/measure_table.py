"""Table 1 of the paper: every gain a row of its own, all held against the vanilla loop; and the rivals directly."""

from collections.abc import Iterator
from dataclasses import replace
from itertools import product

from benchmarks.paper.available_rivals import DIFFUSERS, VANILLA, Here, look_around
from benchmarks.paper.comparison import Comparison, compared, no_target
from benchmarks.paper.paired_runs import Look, PairedContender
from benchmarks.results import Finding, Plan, Row, SpeedTarget, Tell

FASTER_THAN_VANILLA, FASTER_THAN_RIVAL = 10.0, 1.5
"""Promised of a GPU, at 4 steps, image-to-image."""
PROMISED = Look(4)


def measure_table(plan: Plan, tell: Tell) -> Iterator[Finding]:
    """Rows for 1, 4 and 8 steps, both modes, with guidance and without; where it must be quick, of one look alone."""
    here = look_around(plan)
    full = plan.subject.full_autoencoder
    looks = [Look(*each) for each in product(plan.subject.steps, ("text", "image"), (1.0, 2.0))]
    if plan.quick:
        looks = [Look(min(4, max(plan.subject.steps)))]

    def targets(contender: PairedContender, look: Look, figures: Row) -> Iterator[SpeedTarget]:
        if here.device == "cuda" and look == PROMISED and contender.settings == {"accelerator": here.best}:
            yield SpeedTarget("the stream over the vanilla loop, same precision", figures["ratio"], FASTER_THAN_VANILLA)

    base = replace(VANILLA, full_autoencoder=full)
    rows = Comparison(base, ladder(here, full, plan.quick), looks, plan.subject.size, targets=targets)
    yield from compared(plan, here, rows, tell)


def ladder(here: Here, full_autoencoder: bool, quick: bool = False) -> list[PairedContender]:
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


def measure_rivals(plan: Plan, tell: Tell) -> Iterator[Finding]:
    """The stream on the fastest accelerator, held directly against each rival, with guidance and without."""
    here = look_around(plan)
    looks = [Look(min(4, max(plan.subject.steps)), *each) for each in product(("text", "image"), (1.0, 2.0))]
    stream = here.in_both_precisions(here.best, f"stream, {here.best}")

    def targets(contender: PairedContender, look: Look, figures: Row) -> Iterator[SpeedTarget]:
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
