"""The stream's own work: a step beyond its network, a solver's step, changing looks, and what streaming saves."""

from collections.abc import Iterator

from benchmarks.child_process import ChildProcess
from benchmarks.plan import BenchPlan, Progress
from benchmarks.report.findings import Finding, SpeedTarget

LATENT, SLOTS = 64, 4
"""512×512 pixels of the shipped model, and four pictures in flight."""
BUILD = {"do": "build", "model": "shipped", "latent": LATENT, "slots": SLOTS, "accelerator": "auto"}
SMALL = BUILD | {"latent": 32, "slots": 8}
CHANGING = [(2, 1.0), (4, 0.6), (4, 0.9), (5, 1.0), (8, 0.7)]
"""Steps and strength of 2, 3, 4, 5 and 6 network calls."""
CONSTANT = (4, 0.9)
"""Four calls, which is their mean."""


def measure_overhead(plan: BenchPlan, tell: Progress) -> Iterator[Finding]:
    """What a step takes beyond its network call: admission, layout, gathering, guidance, the affine step."""
    with ChildProcess("benchmarks.stream.stream_steps", plan.folder) as steps:
        tell("building the shipped network for 4x64x64 latents")
        description = steps.ask(BUILD)
        tell("steps of four pictures in flight")
        answer = steps.ask({"do": "overhead", "steps": SLOTS, "seconds": plan.seconds})
    yield {"configuration": f"a step, {SLOTS} slots of 4x{LATENT}x{LATENT}, shipped network"} | answer | description
    yield SpeedTarget("a step beyond its network call, %", answer["overhead_percent"], 2.0, at_least=False)


def measure_affine(plan: BenchPlan, tell: Progress) -> Iterator[Finding]:
    """A solver's step for many samples at mixed timesteps, against diffusers' scheduler one by one."""
    with ChildProcess("benchmarks.stream.stream_steps", plan.folder) as steps:
        for samples in (1, 8, 64, 512):
            tell(f"{samples} samples")
            answer = steps.ask({"do": "affine", "samples": samples, "seconds": plan.seconds / 2})
            yield {"configuration": f"step_batch against diffusers' step one by one, {samples} samples"} | answer


def measure_mixed(plan: BenchPlan, tell: Progress) -> Iterator[Finding]:
    """Steps and strength another for every picture, against a run of the same mean calls."""
    with ChildProcess("benchmarks.stream.stream_steps", plan.folder) as steps:
        tell("building the shipped network")
        description = steps.ask(SMALL)
        tell("changing and constant, by turns")
        answer = steps.ask({"do": "mixed", "looks": CHANGING, "constant": CONSTANT, "seconds": 4 * plan.seconds})
    words = "steps and strength another every picture (2 to 6 calls), against 4 calls always, latents only"
    yield {"configuration": words} | answer | description
    yield SpeedTarget("changing steps and strength over constant ones", answer["ratio"], 0.95)


def measure_pipelining(plan: BenchPlan, tell: Progress) -> Iterator[Finding]:
    """The speed-up of streaming 100 pictures, beside what it would be if a batch cost no more than one call."""
    with ChildProcess("benchmarks.stream.stream_steps", plan.folder) as steps:
        tell("building the shipped network")
        description = steps.ask(SMALL)
        for number in (1, 2, 4, 8):
            tell(f"100 pictures of {number} steps, streamed and one after another")
            answer = steps.ask({"do": "pipelining", "steps": number, "pictures": 100})
            yield {"configuration": f"100 pictures of {number} steps, latents only"} | answer | description
