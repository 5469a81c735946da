"""OpenVINO: the graphs converted straight from torch, compiled for this processor, sharing memory with torch."""

from collections.abc import Callable
from typing import Any

import openvino
import psutil
import torch

from pipeline.accelerators.engines import Engines, Preparation, Shapes, left_out
from pipeline.accelerators.openvino_convert import converted
from pipeline.accelerators.openvino_convert import is_kept as converted_is_kept
from pipeline.accelerators.openvino_requests import OpenVinoDenoiser, Request
from pipeline.accelerators.precision import type_of
from pipeline.denoiser import Denoiser
from pipeline.models import Model

SHARED_FROM = 4
"""From so many rows on an even batch is shared out between two halves of the threads: each computes its rows from the
first layer to the last, and waits for the other at the end of them and not of every layer. On two idle cores that is
as fast as all threads on every layer; where other programs take a third of one, as a show's do, it is a tenth faster.
An odd batch would wait for its larger half."""

EVERY_SIZE = 6
"""Up to so many rows every size is prepared, past them the even ones: the largest are guided, two rows a picture."""

LARGEST_STATIC = 8
"""Up to so many rows a batch has a network compiled for it alone, about 15 % faster than the one of any size."""

ANY = 0
"""The rows of the network that takes any number."""


def build(model: Model, shapes: Shapes, preparation: Preparation) -> Engines:
    """Converts (or finds the conversion in the cache) and compiles, in bfloat16 where the processor computes in it.

    Compiled code is not kept on disk: OpenVINO loads a damaged blob without a word and answers NaN (seen with 2026.4),
    each size's blob is as large as the model, and loading one saves a quarter of a second. Torch is left with one
    thread.
    """
    core = openvino.Core()
    known = ("float32", "bfloat16") if "BF16" in core.get_property("CPU", "OPTIMIZATION_CAPABILITIES") else ("float32",)
    type_of(preparation.precision or known[-1], known, "OpenVINO")
    precision = "bf16" if (preparation.precision or known[-1]) == "bfloat16" else "f32"
    return compile_engines(core, model, shapes, precision, preparation)


def is_kept(model: Model, shapes: Shapes, preparation: Preparation) -> bool:
    """Whether `build` finds the conversion in the cache."""
    return converted_is_kept(model, shapes, preparation.cache)


def compile_engines(core: Any, model: Model, shapes: Shapes, precision: str, preparation: Preparation) -> Engines:
    """`build` in a given precision, ``f32`` or ``bf16``."""
    threads = preparation.threads or psutil.cpu_count(logical=False) or 1
    options = {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_NUM_THREADS": threads}
    progress = preparation.progress
    graphs = converted(core, model, shapes, progress, preparation.cache)
    # Torch only moves a few small tensors here; threads of its own would spin on the cores that OpenVINO computes on.
    torch.set_num_threads(1)
    rows = shapes.rows if preparation.engine is None else 0
    sizes = [size for size in range(1, rows + 1) if size <= EVERY_SIZE or size % 2 == 0 or size == rows]
    parts = {size: parts_of(size, threads) for size in sizes}
    kind_of = {size: (shared[0] if size <= LARGEST_STATIC else ANY, len(shared)) for size, shared in parts.items()}
    width = graphs["denoiser"].input(1).get_partial_shape()[1].get_length()

    def compiling(graph: Any, precision: str = precision, **more: Any) -> Callable[[], Any]:
        return lambda: core.compile_model(graph, "CPU", options | {"INFERENCE_PRECISION_HINT": precision} | more)

    def network(rows: int, side_by_side: int) -> Callable[[], Any]:
        graph = graphs["denoiser"].clone()
        if rows != ANY:
            graph.reshape({0: [rows, *shapes.latent], 1: [rows, width], 2: [rows, *shapes.embeds]})
        if side_by_side == 1:
            return compiling(graph)
        return compiling(graph, PERFORMANCE_HINT="THROUGHPUT", NUM_STREAMS=side_by_side)

    # The timesteps always in float32: bfloat16 has 750 and 753 in one.
    work = [compiling(graphs["timesteps"], "f32"), compiling(graphs["encoder"]), compiling(graphs["decoder"])]
    kinds = sorted(set(kind_of.values()))
    work += [network(*kind) for kind in kinds]
    answers = preparation.together(work)
    preparation.meanwhile()
    compiled = []
    for place, answer in enumerate(answers):
        progress("compiling the network for batches of many sizes", 0.4 + 0.6 * place / len(work))
        compiled.append(answer)
    timesteps, encoder, decoder, *networks = compiled
    of_kind = dict(zip(kinds, networks, strict=True))
    shares = {size: [(rows, of_kind[kind_of[size]]) for rows in shared] for size, shared in parts.items()}
    denoiser: Denoiser = OpenVinoDenoiser(shares, timesteps, width, shapes.latent) if sizes else left_out
    pixels = (1, shapes.height, shapes.width, 3)
    encode = Request(encoder, torch.empty(1, *shapes.latent))
    decode = Request(decoder, torch.empty(pixels, dtype=torch.uint8))
    progress("ready", 1.0)
    name = "bfloat16" if precision == "bf16" else "float32"
    return Engines(denoiser, encode, decode, tuple(sizes), torch.device("cpu"), name)


def parts_of(size: int, threads: int) -> tuple[int, ...]:
    """The rows of a batch in parts that are computed side by side."""
    return (size,) if threads < 2 or size < SHARED_FROM or size % 2 else (size // 2, size // 2)
