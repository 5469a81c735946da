"""Speed of the pipeline without a daemon: frame rate, and the gain of one call for a whole batch."""

from collections.abc import Iterator
from typing import Any

from benchmarks.child_process import ChildProcess
from benchmarks.plan import BenchPlan, Progress
from benchmarks.report.findings import Finding, SpeedTarget

BARE_PIPELINE = "benchmarks.stream.bare_pipeline"
MODEL = {"model": "shipped", "width": 256, "height": 256, "accelerator": "auto"}
STEPS = 4
FULL = {"mode": "image", "strength": 0.9, "steps": STEPS}
"""The most work per frame at four steps: encoder, four network calls, decoder. At strength 1 no frame is encoded."""
LOOKS = {
    "image-to-image, strength 0.9 (encode, 4 calls, decode)": FULL,
    "image-to-image, strength 0.6 (encode, 3 calls, decode)": {"mode": "image", "strength": 0.6, "steps": STEPS},
    "text-to-image, a new seed each (4 calls, decode)": {"mode": "text", "strength": 1.0, "steps": STEPS},
}
BUILD_SECONDS = 3600.0
"""Time limit of a build. Some accelerators compile for minutes."""
NAME = "shipped model at 256x256, 4 steps"


def measured_preset(plan: BenchPlan) -> dict[str, Any]:
    """Return model, size and accelerator of the measurements `stream`, `denoiser` and `daemon`, as preset keys."""
    settings = plan.settings
    accelerator = settings.accelerators[0] if settings.accelerators else "auto"
    return {"model": settings.model, "width": settings.size, "height": settings.size, "accelerator": accelerator}


def measured_name(plan: BenchPlan) -> str:
    """Return the name of that model in rows."""
    return f"{plan.settings.name} at {plan.settings.size}x{plan.settings.size}, {STEPS} steps"


def build_request(plan: BenchPlan) -> dict[str, Any]:
    """Return that model as the bare pipeline is asked for it."""
    cache = plan.settings.cache
    return measured_preset(plan) | {"cache": str(cache) if cache else None}


def measure_stream(plan: BenchPlan, progress: Progress) -> Iterator[Finding]:
    """Measure the rate of distinct frames in a process with a renderer's priority."""
    with ChildProcess(BARE_PIPELINE, plan.folder) as bare:
        progress("building the model")
        description = bare.ask({"do": "build", **build_request(plan)}, BUILD_SECONDS)["description"]
        for number, (name, look) in enumerate(LOOKS.items()):
            progress(name)
            answer = bare.ask({"do": "stream", "look": look, "seconds": plan.seconds})
            row = {"configuration": f"bare stream, {measured_name(plan)}, {name}"} | answer
            yield row | {key: description[key] for key in ("accelerator", "precision", "device")}
            if number == 0 and measured_name(plan) == NAME:
                yield SpeedTarget("stream, distinct pictures a second", answer["fps"], 30.0)


def measure_denoiser(plan: BenchPlan, progress: Progress) -> Iterator[Finding]:
    """Compare one denoiser call of four rows with four calls of one, and whole frames streamed with one at a time."""
    other = "" if measured_name(plan) == NAME else f", {measured_name(plan)}"
    with ChildProcess(BARE_PIPELINE, plan.folder) as bare:
        progress("building the denoiser")
        answer = bare.ask({"do": "denoiser", **build_request(plan), "seconds": plan.seconds}, BUILD_SECONDS)
        yield {"configuration": f"denoiser, one call of 4 rows against 4 calls of 1, interleaved{other}"} | answer
        yield SpeedTarget("denoiser, 4 calls of 1 over one call of 4", answer["ratio"], 1.25)
        progress("building the model")
        bare.ask({"do": "build", **build_request(plan)}, BUILD_SECONDS)
        progress("whole frames, streamed and one at a time")
        answer = bare.ask({"do": "whole", "look": FULL, "seconds": plan.seconds})
        answer["fps"] = answer.pop("stream_fps")
        yield {"configuration": f"whole picture, 4 in flight against one at a time, interleaved{other}"} | answer
