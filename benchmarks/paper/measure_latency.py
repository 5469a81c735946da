"""Latency of a frame beside the frame rate, and the speed of the autoencoder by itself."""

from collections.abc import Iterator
from typing import Any

from benchmarks.child_process import ChildProcess
from benchmarks.paper.available_contenders import CONTENDER_PROCESS, find_contenders
from benchmarks.paper.contender import SamplingSettings
from benchmarks.paper.paired_runs import BUILD_TIMEOUT, start_contender
from benchmarks.plan import BenchPlan, Progress
from benchmarks.report.findings import Finding, NotMeasured

WAYS: dict[str, dict[str, Any]] = {
    "low latency, one picture at a time": {"alone": True},
    "stream": {},
    "stream, two pictures begin together": {"buffer": 2},
}
"""Settings of `StreamContender` by their names in rows."""
BATCHES = (1, 2, 4, 8)


def measure_latency(plan: BenchPlan, progress: Progress) -> Iterator[Finding]:
    """Measure the time from admission to pixels in each way, on the fastest accelerator and in eager torch."""
    available = find_contenders(plan)
    look = SamplingSettings(plan.settings.typical_steps)
    size = plan.settings.size
    names = [available.best] if plan.quick else dict.fromkeys((available.best, "eager"))
    for name in names:
        for way, settings in WAYS.items():
            contender = available.stream(name, f"{name}, {way}", own_precision=True, **settings)
            configuration = f"{plan.settings.name} at {size}x{size}, {look.name}: {contender.name}"
            if configuration in plan.known:
                continue
            axes = {"accelerator": name, "contender": way, "size": size} | look.axes
            row = {"configuration": configuration, "axes": axes}
            progress(contender.name)
            try:
                with start_contender(plan, contender, available.config(most_steps=look.steps)) as running:
                    yield row | running.latency(look, plan.seconds) | running.description
            except NotMeasured as error:
                yield row | {"missing": str(error)}


def measure_decode(plan: BenchPlan, progress: Progress) -> Iterator[Finding]:
    """Compare several latents decoded in one call with one call for each."""
    available = find_contenders(plan)
    names = {pictures: f"{available.name()}, {pictures} decoded in one call against one by one" for pictures in BATCHES}
    wanted = [pictures for pictures in BATCHES if names[pictures] not in plan.known]
    if not wanted:
        return
    config = available.config()._asdict()
    with ChildProcess(CONTENDER_PROCESS, plan.folder) as child:
        for pictures in wanted:
            progress(names[pictures])
            request = {"do": "decode", "config": config, "pictures": pictures, "seconds": plan.seconds}
            answer = child.ask(request, BUILD_TIMEOUT)
            yield {"configuration": names[pictures], "axes": {"pictures": pictures}} | answer


def measure_autoencoder(plan: BenchPlan, progress: Progress) -> Iterator[Finding]:
    """Compare the model's tiny autoencoder with Stable Diffusion's full one at random weights."""
    available = find_contenders(plan)
    name = f"{available.name()}, a picture encoded and decoded: tiny against full autoencoder"
    if name in plan.known:
        return
    progress(name)
    with ChildProcess(CONTENDER_PROCESS, plan.folder) as child:
        request = {"do": "autoencoder", "config": available.config()._asdict(), "seconds": plan.seconds}
        yield {"configuration": name} | child.ask(request, BUILD_TIMEOUT)
