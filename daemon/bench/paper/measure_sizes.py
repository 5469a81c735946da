"""Figure 5 of the paper: sizes, for each accelerator and each mode, against the vanilla loop of the same size."""

from collections.abc import Iterator

from daemon.bench.paper.comparison import Comparison, compared
from daemon.bench.paper.duel import Contender, Look
from daemon.bench.paper.field import VANILLA, look_around
from daemon.bench.results import Finding, Plan, Row, Target, Tell

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

        def targets(contender: Contender, look: Look, figures: Row, size: int = size) -> Iterator[Target]:
            if here.device == "cuda" and size >= 256 and contender.settings == {"accelerator": here.best}:
                name = f"the stream over the vanilla loop at {size} px, {look.mode}"
                yield Target(name, figures["ratio"], FASTER_THAN_VANILLA)

        tell(f"{size} px")
        yield from compared(plan, here, Comparison(VANILLA, streams, looks, size, targets=targets), tell)
