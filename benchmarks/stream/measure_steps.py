"""Costs of the stream itself: a step outside its network, a solver step, changing settings, and streaming's gain."""

from collections.abc import Iterator
from contextlib import contextmanager

from benchmarks.child_process import ChildProcess
from benchmarks.plan import BenchPlan, Progress
from benchmarks.report.findings import Finding, Row, SpeedTarget

STREAM_COSTS = "benchmarks.stream.stream_costs"
LATENT, SLOTS = 64, 4
"""Side of the latents of 512×512 px in the shipped model, and the number of frames in flight."""
BUILD = {"do": "build", "model": "shipped", "latent": LATENT, "slots": SLOTS, "accelerator": "auto"}
SMALL = BUILD | {"latent": 32, "slots": 8}
CHANGING = [(2, 1.0), (4, 0.6), (4, 0.9), (5, 1.0), (8, 0.7)]
"""Steps and strength with 2, 3, 4, 5 and 6 network calls."""
CONSTANT = (4, 0.9)
"""Steps and strength with four network calls, the mean of `CHANGING`."""


def measure_overhead(plan: BenchPlan, progress: Progress) -> Iterator[Finding]:
    """Measure the time of a step outside its network call: admission, gathering, guidance, affine step."""
    with _built(plan, progress, BUILD) as (costs, description):
        progress("steps with four frames in flight")
        answer = costs.ask({"do": "overhead", "steps": SLOTS, "seconds": plan.seconds})
    yield {"configuration": f"a step, {SLOTS} slots of 4x{LATENT}x{LATENT}, shipped network"} | answer | description
    yield SpeedTarget("a step beyond its network call, %", answer["overhead_percent"], 2.0, at_least=False)


def measure_affine(plan: BenchPlan, progress: Progress) -> Iterator[Finding]:
    """Compare a batched solver step at mixed timesteps with diffusers' scheduler, one sample at a time."""
    with ChildProcess(STREAM_COSTS, plan.folder) as costs:
        for samples in (1, 8, 64, 512):
            progress(f"{samples} samples")
            answer = costs.ask({"do": "affine", "samples": samples, "seconds": plan.seconds / 2})
            yield {"configuration": f"step_batch against diffusers' step one by one, {samples} samples"} | answer


def measure_mixed(plan: BenchPlan, progress: Progress) -> Iterator[Finding]:
    """Compare steps and strength that change every frame with constant ones of the same mean number of calls."""
    with _built(plan, progress, SMALL) as (costs, description):
        progress("changing and constant, interleaved")
        answer = costs.ask({"do": "mixed", "looks": CHANGING, "constant": CONSTANT, "seconds": 4 * plan.seconds})
    name = "steps and strength another every picture (2 to 6 calls), against 4 calls always, latents only"
    yield {"configuration": name} | answer | description
    yield SpeedTarget("changing steps and strength over constant ones", answer["ratio"], 0.95)


def measure_pipelining(plan: BenchPlan, progress: Progress) -> Iterator[Finding]:
    """Measure the speed-up by streaming 100 frames, beside the speed-up if a batch took the time of one call."""
    with _built(plan, progress, SMALL) as (costs, description):
        for steps in (1, 2, 4, 8):
            progress(f"100 frames of {steps} steps, streamed and one after another")
            answer = costs.ask({"do": "pipelining", "steps": steps, "pictures": 100})
            yield {"configuration": f"100 pictures of {steps} steps, latents only"} | answer | description


@contextmanager
def _built(plan: BenchPlan, progress: Progress, build: Row) -> Iterator[tuple[ChildProcess, Row]]:
    """Yield a process with the network built, and the network's description."""
    with ChildProcess(STREAM_COSTS, plan.folder) as costs:
        progress(f"building the shipped network for 4x{build['latent']}x{build['latent']} latents")
        yield costs, costs.ask(build)
