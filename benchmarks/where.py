"""Time of each part of the pipeline, and the time and operations inside its networks.

``python -m benchmarks.where --results benchmarks/results`` writes the figures that docs/performance.md explains. On a
processor OpenVINO counts the layers. On a GPU `torch.profiler` counts the kernels and the calls that block the host.
"""

import argparse
import json
import statistics
import time
from collections import defaultdict
from collections.abc import Callable, Mapping
from itertools import count
from pathlib import Path
from typing import Any

import torch
from torch.profiler import ProfilerActivity, profile
from torch.utils.flop_counter import FlopCounterMode

from benchmarks import machine
from benchmarks.report.document import write_text
from benchmarks.stream.built_model import BuiltModel, no_progress
from benchmarks.stream.timing import interleaved, recorded, repeat_for, synchronize
from daemon.shared.offline_environment import stay_offline
from io_bridges.card import draw_card
from pipeline.accelerators import registry
from pipeline.denoiser import ConditioningRows
from pipeline.graphs import DecoderGraph, EncoderGraph
from pipeline.image_stream import ImageStream
from pipeline.models import model_of
from pipeline.prepared_engines import asked_precision, shapes_of
from presets.build import Build
from presets.frame_parameters import without_morph
from presets.parameters import Parameters

STEPS = 4
PROFILED_TURNS = 20
BLOCKING = ("cudaStreamSynchronize", "cudaEventSynchronize", "cudaDeviceSynchronize", "aten::_local_scalar_dense")
"""Calls that block the host until the device is done."""


def measure(build: Build, seconds: float) -> dict[str, Any]:
    """Measure image-to-image with four frames in flight."""
    gigaoperations = count_operations(build)
    built = BuiltModel.build(
        build.model,
        build.width,
        build.height,
        build.accelerator,
        rows=2 * build.slots,
        precision=asked_precision(build),
    )
    stream = ImageStream.build(build, no_progress)
    turn = stream_turn(stream, build)
    device = built.engines.device
    with torch.inference_mode():
        milliseconds = median_ms(parts_of(built) | {"whole turn of the stream": turn}, seconds, device)
    size = f"{build.width}x{build.height}"
    found: dict[str, Any] = {
        "configuration": f"{build.model} at {size}, image-to-image, {STEPS} steps, {STEPS} in flight",
        "stream": stream.description,
        "milliseconds": milliseconds,
        "gigaoperations": gigaoperations,
    }
    if device.type == "cuda":
        found["profile"] = profile_turns(turn, PROFILED_TURNS)
    else:
        found["matrix_product_gigaoperations_a_second"] = matrix_product_rate(seconds / 4)
    if built.accelerator == "openvino":
        found["layers_ms_on_one_thread"] = openvino_layers(build)
    return found


def parts_of(built: BuiltModel) -> dict[str, Callable[[], object]]:
    """Return a call for each part of the pipeline. The denoiser is replayed from a CUDA graph if the stream does so."""
    engines, shapes = built.engines, built.shapes
    latents = torch.randn(STEPS, *shapes.inputs, device=engines.device)
    clean = torch.randn(1, *shapes.latent, device=engines.device)
    rows = {name: torch.randn(STEPS, *shape, device=engines.device) for name, shape in shapes.row_inputs.items()}
    times = torch.tensor([1000.0, 750.0, 500.0, 250.0], device=engines.device)
    timesteps = torch.stack([times, times - 250.0], dim=1) if shapes.second_time else times
    text = ConditioningRows.of({name: rows[name] for name in list(rows)[2:]})
    pixels = torch.from_numpy(draw_card(1, shapes.width, shapes.height).copy())[None]

    def denoise() -> torch.Tensor:
        return engines.denoiser(latents, timesteps, text)

    parts: dict[str, Callable[[], object]] = {
        "encoder": lambda: engines.encode(pixels),
        "denoiser, one call of 4 rows": recorded(denoise, engines.recorder),
        "decoder": lambda: engines.decode(clean),
    }
    if engines.recorder is not None:
        parts["denoiser, one call of 4 rows, not recorded"] = denoise
    return parts


def stream_turn(stream: ImageStream, build: Build) -> Callable[[], None]:
    """Return a call that admits the next card to the stream and steps once."""
    look = without_morph(Parameters(steps=STEPS, strength=0.9))
    conditioning = stream.encode(look.wording)
    cards = [draw_card(index, build.width, build.height) for index in range(64)]
    numbers = count()

    def turn() -> None:
        stream.admit(cards[next(numbers) % len(cards)], look, conditioning)
        stream.step()

    return turn


def median_ms(work: Mapping[str, Callable[[], object]], seconds: float, device: torch.device) -> dict[str, float]:
    """Return the median duration of each call in milliseconds, from interleaved rounds."""

    def to_the_end(call: Callable[[], object]) -> Callable[[], None]:
        def run() -> None:
            call()
            synchronize(device)

        return run

    durations = interleaved(seconds, *map(to_the_end, work.values()), at_least=5, warm_up=2)
    return {name: statistics.median(each) * 1000 for name, each in zip(work, durations, strict=True)}


def count_operations(build: Build) -> dict[str, float]:
    """Return the floating-point operations of each network in 10⁹: one call of four rows, one frame.

    A multiply-add counts as two. The networks are loaded for the count alone, because an accelerator may move or
    convert those it is given.
    """
    model = model_of(build)
    shapes = shapes_of(build, model)
    rows = {name: torch.randn(STEPS, *shape) for name, shape in shapes.row_inputs.items()}
    rows["timesteps"] = torch.full_like(rows["timesteps"], 500.0)
    pixels = torch.zeros(1, build.height, build.width, 3, dtype=torch.uint8)
    graphs: dict[str, tuple[Any, tuple[torch.Tensor, ...]]] = {
        "denoiser": (model.step_graph(shapes.picture, fold=True), tuple(rows.values())),
        "encoder": (EncoderGraph(model.autoencoder, fold=True), (pixels,)),
        "decoder": (DecoderGraph(model.autoencoder, fold=True), (torch.randn(1, *shapes.latent),)),
    }
    counted = {}
    for name, (graph, inputs) in graphs.items():
        with FlopCounterMode(display=False) as counter, torch.no_grad():
            graph(*inputs)
        counted[name] = counter.get_total_flops() / 1e9
    return counted


def matrix_product_rate(seconds: float) -> float:
    """Return the best rate of a large float32 matrix product in torch, in 10⁹ operations per second."""
    torch.set_num_threads(machine.cores())
    one, other = torch.randn(1024, 1024), torch.randn(1024, 1024)
    best = float("inf")
    for _ in repeat_for(seconds):
        began = time.perf_counter()
        one @ other
        best = min(best, time.perf_counter() - began)
    return float(2 * 1024**3 / best / 1e9)


def openvino_layers(build: Build) -> dict[str, dict[str, float]]:
    """Return the milliseconds of each kind of layer on one thread, the least of many calls."""
    from pipeline.accelerators.openvino_convert import converted, openvino_core

    model = model_of(build)
    core, shapes = openvino_core(), shapes_of(build, model)
    graphs = converted(core, model, shapes, no_progress, None)
    sides = [list(each.get_partial_shape())[1:] for each in graphs["denoiser"].inputs]
    graphs["denoiser"].reshape({place: [STEPS, *rest] for place, rest in enumerate(sides)})
    return {name: _layer_ms(core, graphs[name]) for name in ("denoiser", "encoder", "decoder")}


def _layer_ms(core: Any, graph: Any) -> dict[str, float]:
    options = {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_NUM_THREADS": 1, "PERF_COUNT": True}
    request = core.compile_model(graph, "CPU", options).create_infer_request()
    least: dict[tuple[str, str], float] = {}
    for _ in range(20):
        request.infer()
        for layer in request.get_profiling_info():
            milliseconds = layer.real_time.total_seconds() * 1000
            key = (layer.node_name, layer.node_type)
            least[key] = min(least.get(key, milliseconds), milliseconds)
    kinds: dict[str, float] = defaultdict(float)
    for (_, kind), milliseconds in least.items():
        kinds[kind] += milliseconds
    longest_first = sorted(kinds.items(), key=lambda kind: -kind[1])
    return {kind: milliseconds for kind, milliseconds in longest_first if milliseconds >= 0.01}


def profile_turns(turn: Callable[[], object], turns: int) -> dict[str, Any]:
    """Return the longest kernels of a turn, and the number of calls in it that block the host."""
    with profile(activities=[ProfilerActivity.CPU, ProfilerActivity.CUDA]) as profiled:
        for _ in range(turns):
            turn()
    events = profiled.key_averages()
    kernels = sorted(events, key=lambda event: -event.self_device_time_total)[:15]
    return {
        "kernel_ms_a_turn": {event.key: event.self_device_time_total / 1000 / turns for event in kernels},
        "waits_a_turn": {event.key: event.count / turns for event in events if event.key in BLOCKING},
    }


def result_path(folder: Path, facts: Mapping[str, Any], build: Build, description: Mapping[str, Any]) -> Path:
    """Return DATE-DEVICE-where-MODEL-SIZE-ACCELERATOR.json, so that no two configurations share a file."""
    on_gpu = str(description["device"]).startswith("cuda")
    device = machine.slug(facts["gpu"] if on_gpu and facts["gpu"] else facts["device"])
    model = machine.slug(Path(build.model).name)
    accelerator = "-".join(filter(None, (description["accelerator"], asked_precision(build))))
    return folder / f"{facts['date'][:10]}-{device}-where-{model}-{build.width}-{accelerator}.json"


def main() -> None:
    """Measure, print, and write the document if a folder is given."""
    stay_offline()
    parser = argparse.ArgumentParser(prog="python -m benchmarks.where", description=__doc__)
    parser.add_argument("--model", default="shipped", help="shipped, or a folder in diffusers format")
    parser.add_argument("--size", type=int, default=256, help="side of a frame in pixels")
    parser.add_argument("--accelerator", default="auto", choices=registry.NAMES)
    parser.add_argument("--precision", default="", help="float32, float16 or bfloat16 (default: the accelerator's)")
    parser.add_argument("--seconds", type=float, default=20.0, help="duration of the compared turns")
    parser.add_argument("--results", type=Path, help="folder for DATE-DEVICE-where-MODEL-SIZE-ACCELERATOR.json")
    options = parser.parse_args()
    facts = machine.facts()
    build = Build(model=options.model, width=options.size, height=options.size, precision=options.precision or "auto")
    build = build.with_accelerator(options.accelerator)
    found = {"measurement": "where"} | measure(build, options.seconds)
    document = facts | {"rows": [found], "targets": [], "failures": []}
    document["command"] = "python -m benchmarks.where " + " ".join(
        f"--{name} {value}" for name, value in vars(options).items() if name != "results" and value != ""
    )
    text = json.dumps(document, indent=1, default=str)
    print(text)
    if options.results:
        write_text(result_path(options.results, facts, build, found["stream"]), text + "\n")


if __name__ == "__main__":
    main()
