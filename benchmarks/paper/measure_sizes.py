"""Figure 5 of the paper: sizes, for each accelerator and each mode, against the vanilla loop of the same size."""

from collections.abc import Iterator

from benchmarks.paper.available_rivals import VANILLA, look_around
from benchmarks.paper.comparison import Comparison, compared
from benchmarks.paper.paired_runs import Look, PairedContender
from benchmarks.results import Finding, Plan, Row, SpeedTarget, Tell

SIZES = (64, 128, 256, 512, 768, 1024)
LARGEST = {"cpu": 512, "cuda": 1024}
FASTER_THAN_VANILLA = 5.0
"""Promised of a GPU from 256 px on."""


def measure_sizes(plan: Plan, tell: Tell) -> Iterator[Finding]:
    """Four steps, no guidance; up to the subject's largest size."""
    here = look_around(plan)
    steps = min(4, max(plan.subject.steps))
    looks = [Look(steps, "text"), Look(steps, "image")]
    largest = plan.subject.largest or LARGEST[here.device]
    streams = [here.stream(name) for name in here.accelerators]

    for size in (size for size in SIZES if size <= largest):

        def targets(contender: PairedContender, look: Look, figures: Row, size: int = size) -> Iterator[SpeedTarget]:
            if here.device == "cuda" and size >= 256 and contender.settings == {"accelerator": here.best}:
                name = f"the stream over the vanilla loop at {size} px, {look.mode}"
                yield SpeedTarget(name, figures["ratio"], FASTER_THAN_VANILLA)

        tell(f"{size} px")
        yield from compared(plan, here, Comparison(VANILLA, streams, looks, size, targets=targets), tell)
