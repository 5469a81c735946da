"""The pipeline without a daemon: pictures a second, and what one call for a whole batch is worth."""

from collections.abc import Iterator

from benchmarks.child_process import ChildProcess
from benchmarks.plan import BenchPlan, Progress
from benchmarks.report.findings import Finding, SpeedTarget

MODEL = {"model": "shipped", "width": 256, "height": 256, "accelerator": "auto"}
STEPS = 4
FULL = {"mode": "image", "strength": 0.9, "steps": STEPS}
"""The most that a picture costs at four steps: encoded, then four network calls. (At strength 1 none is encoded.)"""
LOOKS = {
    "image-to-image, strength 0.9 (encode, 4 calls, decode)": FULL,
    "image-to-image, strength 0.6 (encode, 3 calls, decode)": {"mode": "image", "strength": 0.6, "steps": STEPS},
    "text-to-image, a new seed each (4 calls, decode)": {"mode": "text", "strength": 1.0, "steps": STEPS},
}
NAME = "shipped model at 256x256, 4 steps"


def measure_stream(plan: BenchPlan, tell: Progress) -> Iterator[Finding]:
    """The bare stream in a process of its own, niced as a renderer: distinct pictures a second."""
    with ChildProcess("benchmarks.stream.bare_pipeline", plan.folder) as bare:
        tell("building the shipped model")
        description = bare.ask({"do": "build", **MODEL})["description"]
        for number, (words, look) in enumerate(LOOKS.items()):
            tell(words)
            answer = bare.ask({"do": "stream", "look": look, "seconds": plan.seconds})
            row = {"configuration": f"bare stream, {NAME}, {words}"} | answer
            yield row | {key: description[key] for key in ("accelerator", "precision", "device")}
            if number == 0:
                yield SpeedTarget("stream, distinct pictures a second", answer["fps"], 30.0)


def measure_denoiser(plan: BenchPlan, tell: Progress) -> Iterator[Finding]:
    """One denoiser call of four rows against four of one; then the whole picture, streamed against alone."""
    with ChildProcess("benchmarks.stream.bare_pipeline", plan.folder) as bare:
        tell("building the denoiser")
        answer = bare.ask({"do": "denoiser", **MODEL, "seconds": plan.seconds})
        yield {"configuration": "denoiser, one call of 4 rows against 4 calls of 1, interleaved"} | answer
        yield SpeedTarget("denoiser, 4 calls of 1 over one call of 4", answer["ratio"], 1.25)
        tell("building the shipped model")
        bare.ask({"do": "build", **MODEL})
        tell("whole pictures, streamed and one at a time")
        answer = bare.ask({"do": "whole", "look": FULL, "seconds": plan.seconds})
        answer["fps"] = answer.pop("stream_fps")
        yield {"configuration": "whole picture, 4 in flight against one at a time, interleaved"} | answer
