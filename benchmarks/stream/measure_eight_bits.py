"""Distance of a network in 8 bits from the same network in float32, in pictures of a running stream."""

import statistics
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.paper.image_metrics import psnr
from benchmarks.plan import BenchPlan, Progress
from benchmarks.report.findings import Finding
from benchmarks.stream.built_model import no_progress
from daemon.shared.threads import run_in_threads
from io_bridges.card import draw_card
from pipeline.accelerators.accelerator_table import ACCELERATORS
from pipeline.accelerators.onnx_files import exported_files
from pipeline.image_stream import ImageStream
from pipeline.models import model_of
from pipeline.prepared_engines import shapes_of
from presets.build import Build
from presets.errors import AcceleratorUnavailable
from presets.frame_parameters import without_morph
from presets.parameters import Parameters, WeightedPrompt

PRECISIONS = ("float16", "fp8", "int8")
ENGINES = ("tensorrt", "tensorrt_rtx")
"""Accelerators whose engines are compared too, where they work. Elsewhere ONNX Runtime computes what the file says."""
PROMPTS = ("neon tunnel", "ice cells")
"""Prompt of the pictures, and another one for the scale of the distances."""

Pixels = NDArray[np.uint8]


def measure_eight_bits(plan: BenchPlan, progress: Progress) -> Iterator[Finding]:
    """Compare pictures of each precision with those of eager torch in float32, image-to-image."""
    settings = plan.settings
    side = settings.size
    reference = Build(
        model=settings.model, width=side, height=side, cache=settings.cache, accelerator="eager", precision="float32"
    )
    count = 4 if plan.quick else settings.pictures
    progress("pictures in float32")
    stream = ImageStream.build(reference, no_progress, run_in_threads)
    exact, other = (_drawn(stream, count, prompt) for prompt in PROMPTS)
    del stream
    where = f"{settings.name} at {settings.size}x{settings.size}"
    yield {"configuration": f"{where}: another prompt in float32", **_distance(exact, other)}
    for name in ("onnxruntime", *(name for name in ENGINES if not ACCELERATORS[name].missing())):
        for precision in PRECISIONS:
            row = f"{where}: {precision} by {ACCELERATORS[name].title}"
            progress(row)
            try:
                found = _distance(exact, _played(reference, name, precision, count, progress))
            except AcceleratorUnavailable as error:
                yield {"configuration": row, "missing": str(error)}
            else:
                yield {"configuration": row, "precision": precision, **found}


def _played(reference: Build, name: str, precision: str, count: int, progress: Progress) -> list[Pixels]:
    """Return the pictures of an engine, or of the file that it would be built from.

    Raises `AcceleratorUnavailable` where there is none: what plays in its place is not measured.
    """
    if name in ENGINES:
        asked = reference.model_copy(update={"accelerator": name, "precision": precision})
        stream = ImageStream.build(asked, no_progress, run_in_threads)
        if stream.description["precision"] != precision:
            raise AcceleratorUnavailable(f"It plays in {stream.description['precision']}: {stream.description['why']}.")
        return _drawn(stream, count, PROMPTS[0])
    model = model_of(reference)
    shapes = shapes_of(reference, model)
    with ExitStack() as stack:
        files = exported_files(
            model, shapes, lambda text, fraction: progress(text), reference.cache, precision, ("denoiser",)
        )
        path: Path = stack.enter_context(files)["denoiser"]
        asked = reference.model_copy(update={"engine": str(path)})
        return _drawn(ImageStream.build(asked, no_progress, run_in_threads), count, PROMPTS[0])


def _drawn(stream: ImageStream, count: int, prompt: str) -> list[Pixels]:
    drawn: list[Pixels] = []
    for seed in range(count):
        look = without_morph(Parameters(prompt=(WeightedPrompt(text=prompt),), steps=4, strength=0.9, seed=seed))
        while not stream.free:
            drawn += [frame.pixels for frame in stream.step()]
        stream.admit(draw_card(7 * seed, stream.width, stream.height), look, stream.encode(look.wording))
    while stream.in_flight:
        drawn += [frame.pixels for frame in stream.step()]
    return drawn


def _distance(exact: list[Pixels], other: list[Pixels]) -> dict[str, float]:
    decibels = [psnr(one, another) for one, another in zip(exact, other, strict=True)]
    return {"psnr_db": statistics.median(decibels), "lowest_psnr_db": min(decibels)}
