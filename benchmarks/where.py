"""Where a picture's milliseconds go: the pipeline's parts by turns, a network's layers by kind, and how near the limit.

`python benchmarks/where.py --results benchmarks/results` writes what docs/performance.md tells. On a processor the
layers are OpenVINO's own count; on a GPU `torch.profiler`'s, with every call that made the host wait.
"""

import argparse
import json
import statistics
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch.profiler import ProfilerActivity, profile
from torch.utils.flop_counter import FlopCounterMode

from benchmarks import machine
from benchmarks.stream.timing import finish
from daemon.shared.offline_environment import stay_offline
from io_bridges.card import draw_card
from pipeline.accelerators import registry
from pipeline.accelerators.engines import Preparation
from pipeline.denoiser import ConditioningRows
from pipeline.graphs import DecoderGraph, DenoiserGraph, EncoderGraph, TimestepGraph
from pipeline.image_stream import ImageStream, shapes_of
from pipeline.models import Model, load_model
from presets.build import Build
from presets.frame_parameters import without_morph
from presets.parameters import Parameters

STEPS = 4
WAITS = ("cudaStreamSynchronize", "cudaEventSynchronize", "cudaDeviceSynchronize", "aten::_local_scalar_dense")


def quiet(text: str, fraction: float) -> None:
    """Nothing is told."""


def milliseconds(work: dict[str, Callable[[], object]], seconds: float, device: torch.device) -> dict[str, float]:
    """Medians of each, taken by turns."""
    taken: dict[str, list[float]] = {name: [] for name in work}
    end = time.perf_counter() + seconds
    while time.perf_counter() < end or len(next(iter(taken.values()))) < 7:
        for name, one in work.items():
            finish(device)
            began = time.perf_counter()
            one()
            finish(device)
            taken[name].append((time.perf_counter() - began) * 1000)
    return {name: statistics.median(each[2:]) for name, each in taken.items()}


def operations(model: Model, build: Build) -> dict[str, float]:
    """Multiply-adds of each network, twice counted as is usual, in 10⁹: one call of four rows, one picture."""
    shapes = shapes_of(build, model)
    latents, embeds = torch.randn(STEPS, *shapes.latent), torch.randn(STEPS, *shapes.embeds)
    projected = TimestepGraph(model.unet)(torch.full((STEPS,), 500.0))
    pixels = torch.zeros(1, build.height, build.width, 3, dtype=torch.uint8)
    graphs: dict[str, tuple[Any, tuple[torch.Tensor, ...]]] = {
        "denoiser": (DenoiserGraph(model.unet, fold=True), (latents, projected, embeds)),
        "encoder": (EncoderGraph(model.autoencoder, fold=True), (pixels,)),
        "decoder": (DecoderGraph(model.autoencoder, fold=True), (latents[:1],)),
    }
    counted = {}
    for name, (graph, inputs) in graphs.items():
        with FlopCounterMode(display=False) as counter, torch.no_grad():
            graph(*inputs)
        counted[name] = counter.get_total_flops() / 1e9
    return counted


def product_rate(seconds: float) -> float:
    """What a large float32 matrix product reaches on this processor with torch, in 10⁹ operations a second."""
    torch.set_num_threads(machine.cores())
    one, other = torch.randn(1024, 1024), torch.randn(1024, 1024)
    best, end = float("inf"), time.perf_counter() + seconds
    while time.perf_counter() < end:
        began = time.perf_counter()
        one @ other
        best = min(best, time.perf_counter() - began)
    return float(2 * 1024**3 / best / 1e9)


def openvino_layers(model: Model, build: Build) -> dict[str, dict[str, float]]:
    """Milliseconds of each kind of layer on one thread, the least of many calls: nothing waits for another thread."""
    import openvino

    from pipeline.accelerators.openvino_convert import converted

    core, shapes = openvino.Core(), shapes_of(build, model)
    graphs = converted(core, model, shapes, quiet, None)
    width = graphs["denoiser"].input(1).get_partial_shape()[1].get_length()
    graphs["denoiser"].reshape({0: [STEPS, *shapes.latent], 1: [STEPS, width], 2: [STEPS, *shapes.embeds]})
    found = {}
    for name in ("denoiser", "encoder", "decoder"):
        options = {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_NUM_THREADS": 1, "PERF_COUNT": True}
        request = core.compile_model(graphs[name], "CPU", options).create_infer_request()
        least: dict[tuple[str, str], float] = {}
        for _ in range(20):
            request.infer()
            for layer in request.get_profiling_info():
                spent = layer.real_time.total_seconds() * 1000
                key = (layer.node_name, layer.node_type)
                least[key] = min(least.get(key, spent), spent)
        kinds: dict[str, float] = defaultdict(float)
        for (_, kind), spent in least.items():
            kinds[kind] += spent
        longest_first = sorted(kinds.items(), key=lambda kind: -kind[1])
        found[name] = {kind: spent for kind, spent in longest_first if spent >= 0.01}
    return found


def torch_profile(turn: Callable[[], object], turns: int) -> dict[str, Any]:
    """Kernels by the time they take, and how often a turn made the host wait for the device."""
    with profile(activities=[ProfilerActivity.CPU, ProfilerActivity.CUDA]) as profiled:
        for _ in range(turns):
            turn()
    events = profiled.key_averages()
    kernels = sorted(events, key=lambda event: -event.self_device_time_total)[:15]
    return {
        "kernel_ms_a_turn": {event.key: event.self_device_time_total / 1000 / turns for event in kernels},
        "waits_a_turn": {event.key: event.count / turns for event in events if event.key in WAITS},
    }


def measure(build: Build, seconds: float) -> dict[str, Any]:
    """All of it, for image-to-image with four pictures in flight."""
    model = load_model(build.model)
    shapes = shapes_of(build, model)
    preparation = Preparation(quiet, threads=build.threads)
    chosen = registry.build(build.accelerator, model, shapes, preparation)
    engines = chosen.engines
    latents = torch.randn(STEPS, *shapes.latent, device=engines.device)
    times = torch.tensor([1000.0, 750.0, 500.0, 250.0], device=engines.device)
    text = ConditioningRows(torch.randn(STEPS, *shapes.embeds, device=engines.device))
    pixels = torch.from_numpy(draw_card(1, build.width, build.height).copy())[None]
    stream = ImageStream.build(build, quiet)
    look = without_morph(Parameters(steps=STEPS, strength=0.9))
    words = stream.encode(look.wording)
    cards = [draw_card(index, build.width, build.height) for index in range(64)]
    numbers = iter(range(10**9))

    def turn() -> None:
        stream.admit(cards[next(numbers) % len(cards)], look, words)
        stream.step()

    with torch.inference_mode():
        parts = milliseconds(
            {
                "encoder": lambda: engines.encode(pixels),
                "denoiser, one call of 4 rows": lambda: engines.denoiser(latents, times, text),
                "decoder": lambda: engines.decode(latents[:1]),
                "whole turn of the stream": turn,
            },
            seconds,
            engines.device,
        )
    found: dict[str, Any] = {
        "configuration": f"{build.model} at {build.width}x{build.height}, image-to-image, {STEPS} steps, 4 in flight",
        "stream": stream.description,
        "milliseconds": parts,
        "gigaoperations": operations(model, build),
    }
    if engines.device.type == "cuda":
        found["profile"] = torch_profile(turn, 20)
    else:
        found["matrix_product_gigaoperations_a_second"] = product_rate(seconds / 4)
    if chosen.name == "openvino":
        found["layers_ms_on_one_thread"] = openvino_layers(model, build)
    return found


def main() -> None:
    """Measure, print, keep."""
    stay_offline()
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="shipped", help="shipped, or a folder in diffusers format")
    parser.add_argument("--size", type=int, default=256, help="side of the picture in pixels")
    parser.add_argument("--accelerator", default="auto", help=", ".join(registry.NAMES))
    parser.add_argument("--seconds", type=float, default=20.0, help="of the turns that are compared")
    parser.add_argument("--results", type=Path, help="folder for DATE-PROCESSOR-where.json")
    options = parser.parse_args()
    facts = machine.facts()
    build = Build(model=options.model, width=options.size, height=options.size, accelerator=options.accelerator)
    found = {"measurement": "where"} | measure(build, options.seconds)
    document = facts | {"rows": [found], "targets": [], "failures": []}
    document["command"] = "python benchmarks/where.py " + " ".join(
        f"--{name} {value}" for name, value in vars(options).items() if name != "results"
    )
    told = json.dumps(document, indent=1, default=str)
    print(told)
    if options.results:
        path = options.results / f"{facts['date'][:10]}-{machine.slug(facts['device'])}-where.json"
        path.write_text(told + "\n")


if __name__ == "__main__":
    main()
