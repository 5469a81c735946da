"""How old a picture is when it comes out, beside how many come out: the stream, its buffers, and one at a time."""

from collections.abc import Iterator
from typing import Any

from benchmarks.paper.available_rivals import look_around
from benchmarks.paper.paired_runs import Look, entered
from benchmarks.results import Finding, NotMeasured, Plan, Tell

WAYS: dict[str, dict[str, Any]] = {
    "low latency, one picture at a time": {"alone": True},
    "stream": {},
    "stream, two pictures begin together": {"buffer": 2},
}


def measure_latency(plan: Plan, tell: Tell) -> Iterator[Finding]:
    """From admission to pixels, for each way to run the fastest accelerator, and eager torch beside it."""
    here = look_around(plan)
    look = Look(min(4, max(plan.subject.steps)))
    size = plan.subject.size
    names = [here.best] if plan.quick else dict.fromkeys((here.best, "eager"))
    for name in names:
        for way, settings in WAYS.items():
            contender = here.stream(name, f"{name}, {way}", own_precision=True, **settings)
            words = f"{plan.subject.name} at {size}x{size}, {look.words}: {contender.name}"
            if words in plan.known:
                continue
            row = {"configuration": words, "axes": {"accelerator": name, "contender": way, "size": size} | look.axes}
            tell(contender.name)
            try:
                with entered(plan, contender, size, look.steps, here.precision) as one:
                    yield row | one.latency(look, plan.seconds) | one.description
            except NotMeasured as error:
                yield row | {"missing": str(error)}
