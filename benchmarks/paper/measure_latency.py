"""How old a picture is when it comes out, beside how many come out: the stream, its buffers, and one at a time."""

from collections.abc import Iterator
from typing import Any

from benchmarks.child_process import ChildProcess
from benchmarks.paper.available_contenders import AvailableContenders, find_contenders
from benchmarks.paper.measure_quality import _subject
from benchmarks.paper.paired_runs import BUILD_TIMEOUT, SamplingSettings, start_contender
from benchmarks.plan import BenchPlan, Progress
from benchmarks.report.findings import Finding, NotMeasured

BATCHES = (1, 2, 4, 8)
WAYS: dict[str, dict[str, Any]] = {
    "low latency, one picture at a time": {"alone": True},
    "stream": {},
    "stream, two pictures begin together": {"buffer": 2},
}


def measure_latency(plan: BenchPlan, tell: Progress) -> Iterator[Finding]:
    """From admission to pixels, for each way to run the fastest accelerator, and eager torch beside it."""
    here = find_contenders(plan)
    look = SamplingSettings(min(4, max(plan.subject.steps)))
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
                with start_contender(plan, contender, size, look.steps, here.precision) as one:
                    yield row | one.latency(look, plan.seconds) | one.description
            except NotMeasured as error:
                yield row | {"missing": str(error)}


def measure_decode(plan: BenchPlan, tell: Progress) -> Iterator[Finding]:
    """Several latents decoded in one call, against one by one."""
    here = find_contenders(plan)
    words = {
        pictures: f"{_where(plan, here)}, {pictures} decoded in one call against one by one" for pictures in BATCHES
    }
    wanted = [pictures for pictures in BATCHES if words[pictures] not in plan.known]
    if not wanted:
        return
    with ChildProcess("benchmarks.paper.contender_process", plan.folder) as child:
        for pictures in wanted:
            tell(words[pictures])
            request = {"do": "decode", "subject": _subject(plan, here), "pictures": pictures, "seconds": plan.seconds}
            answer = child.ask(request, BUILD_TIMEOUT)
            yield {"configuration": words[pictures], "axes": {"pictures": pictures}} | answer


def measure_autoencoder(plan: BenchPlan, tell: Progress) -> Iterator[Finding]:
    """The model's tiny autoencoder against Stable Diffusion's own, with random weights."""
    here = find_contenders(plan)
    words = f"{_where(plan, here)}, a picture encoded and decoded: tiny against full autoencoder"
    if words not in plan.known:
        tell(words)
        with ChildProcess("benchmarks.paper.contender_process", plan.folder) as child:
            request = {"do": "autoencoder", "subject": _subject(plan, here), "seconds": plan.seconds}
            yield {"configuration": words} | child.ask(request, BUILD_TIMEOUT)


def _where(plan: BenchPlan, here: AvailableContenders) -> str:
    return f"{plan.subject.name} at {plan.subject.size}x{plan.subject.size}, {here.precision}"
