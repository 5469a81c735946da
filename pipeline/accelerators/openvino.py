"""OpenVINO: the graphs converted from torch and compiled for this processor, on memory shared with torch."""

from collections.abc import Callable
from typing import Any

import torch

from pipeline.accelerators.engines import Engines, Preparation, Shapes, left_out
from pipeline.accelerators.openvino_convert import converted, openvino_core
from pipeline.accelerators.openvino_convert import is_kept as converted_is_kept
from pipeline.accelerators.openvino_requests import Request, openvino_denoisers
from pipeline.accelerators.openvino_text import text_encoder as text_encoder
from pipeline.accelerators.precision import dtype_of
from pipeline.accelerators.processor import usable_cores
from pipeline.models import Model
from pipeline.weight_counts import count_denoiser

SHARED_FROM = 4
"""Fewest rows of an even batch that is split between two requests, each on half of the threads: each computes its rows
from the first layer to the last and waits for the other only at the end. On two idle cores that is as fast as all
threads on every layer, and a tenth faster where other programs take a third of one. An odd batch would wait for its
larger half."""

EVERY_SIZE = 6
"""Largest row count up to which every size is prepared. Above it only even sizes are, since guided frames have two
rows."""

LARGEST_STATIC = 8
"""Largest row count with a network compiled for it alone, about 15 % faster than the one of any size."""

ANY = 0
"""Rows of the network that takes any number."""

LARGE = 50_000_000
"""Weights from which a network is compiled for any number of rows alone. Each compiled network has a copy of all its
weights: one for each size would take 20 GB for the 860 million of Stable Diffusion 1.5 in bfloat16."""

HINTS = {"float32": "f32", "bfloat16": "bf16"}
"""OpenVINO's name of each precision."""


def precisions(model: Model | None = None) -> tuple[str, ...]:
    """Return the precisions that this processor computes in, the likelier to be fast first.

    Args:
        model: The model to play. A network that projects its timesteps itself is computed in float32 alone: bfloat16
            has one number for 750 and 753.
    """
    return ("float32",) if model is not None and not model.splits_timesteps else _precisions(openvino_core())


def build(model: Model, shapes: Shapes, preparation: Preparation) -> Engines:
    """Convert the graphs, or find them in the cache, and compile them.

    Compiled code is not kept on disk: OpenVINO loads a damaged blob without an error and answers NaN (seen with
    2026.4), each size's blob is as large as the model, and loading one saves a quarter of a second. Torch is left with
    one thread.

    Raises:
        AcceleratorUnavailable: the processor does not compute in the precision asked for.
    """
    core = openvino_core()
    known = precisions(model)
    precision = preparation.precision or known[0]
    dtype_of(precision, known, "OpenVINO")
    return compile_engines(core, model, shapes, precision, preparation)


def is_kept(model: Model, shapes: Shapes, preparation: Preparation) -> bool:
    """Return True if `build` finds the converted graphs in the cache."""
    return converted_is_kept(model, shapes, preparation.cache)


def compile_engines(core: Any, model: Model, shapes: Shapes, precision: str, preparation: Preparation) -> Engines:
    """Do the work of `build` in a precision that need not be one of this processor's."""
    threads = preparation.threads or usable_cores().physical
    requests = min(preparation.requests or 2, threads)
    progress = preparation.progress
    graphs = converted(core, model, shapes, progress, preparation.cache)
    # Torch only moves a few small tensors here; threads of its own would spin on the cores that OpenVINO computes on.
    torch.set_num_threads(1)
    sizes = _sizes(shapes, preparation)
    parts = {size: parts_of(size, requests) for size in sizes}
    largest = _largest_static(model)
    kind_of = {size: _kind(size, requests, largest) for size in sizes}
    kinds = kinds_of(model, shapes, preparation, requests)

    def compiling(graph: Any, hint: str = HINTS[precision], **more: Any) -> Callable[[], Any]:
        options = {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_NUM_THREADS": threads, "INFERENCE_PRECISION_HINT": hint}
        return lambda: core.compile_model(graph, "CPU", options | more)

    def network(name: str, rows: int, side_by_side: int) -> Callable[[], Any]:
        graph = _resized(graphs[name], rows)
        if side_by_side == 1:
            return compiling(graph)
        return compiling(graph, PERFORMANCE_HINT="THROUGHPUT", NUM_STREAMS=side_by_side)

    forms: list[str] = [name for name in ("denoiser", "outer") if name in graphs]
    work = [compiling(graphs[name]) for name in ("encoder", "decoder")]
    work += [network(name, *kind) for name in forms for kind in kinds]
    if "timesteps" in graphs:  # always in float32: bfloat16 has one number for 750 and 753
        work.append(compiling(graphs["timesteps"], "f32"))
    answers = preparation.together(work)
    preparation.meanwhile()
    compiled = []
    for place, answer in enumerate(answers):
        progress("compiling the network for batches of many sizes", 0.4 + 0.6 * place / len(work))
        compiled.append(answer)
    timesteps = compiled.pop() if "timesteps" in graphs else None
    encoder, decoder, *networks = compiled
    of_kind = dict(zip([(name, *kind) for name in forms for kind in kinds], networks, strict=True))
    shares = {
        name: {size: [(rows, of_kind[name, *kind_of[size]]) for rows in shared] for size, shared in parts.items()}
        for name in forms
    }
    width = _projected_width(graphs["denoiser"]) if timesteps is not None else 0
    denoiser, outer = openvino_denoisers(shares, shapes, timesteps, width) if sizes else (left_out, None)
    encode = Request(encoder, torch.empty(1, *shapes.latent))
    decode = Request(decoder, torch.empty(1, shapes.height, shapes.width, 3, dtype=torch.uint8))
    progress("ready", 1.0)
    host = torch.device("cpu")
    return Engines(denoiser, encode, decode, sizes, host, precision, outer=outer, requests=requests, threads=threads)


def parts_of(size: int, requests: int) -> tuple[int, ...]:
    """Return the rows of each request for a batch of `size` rows."""
    return (size,) if requests < 2 or size < SHARED_FROM or size % 2 else (size // 2, size // 2)


def kinds_of(model: Model, shapes: Shapes, preparation: Preparation, requests: int) -> list[tuple[int, int]]:
    """Return rows (or `ANY`) and requests side by side of each network that is compiled, a copy of the weights each."""
    largest = _largest_static(model)
    return sorted({_kind(size, requests, largest) for size in _sizes(shapes, preparation)})


def _sizes(shapes: Shapes, preparation: Preparation) -> tuple[int, ...]:
    """Return the batch sizes to prepare, none for a foreign engine."""
    rows = shapes.rows if preparation.engine is None else 0
    every_size = tuple(size for size in range(1, rows + 1) if size <= EVERY_SIZE or size % 2 == 0 or size == rows)
    return preparation.sizes or (shapes.with_most_rows(every_size) if every_size else ())


def _kind(size: int, requests: int, largest: int) -> tuple[int, int]:
    """Return the rows that the network of a batch size is compiled for, or `ANY`, and its requests side by side."""
    parts = parts_of(size, requests)
    return parts[0] if size <= largest else ANY, len(parts)


def _largest_static(model: Model) -> int:
    """Return the largest batch size of a model with a network compiled for it alone."""
    return 0 if count_denoiser(model) >= LARGE else LARGEST_STATIC


def _resized(denoiser: Any, rows: int) -> Any:
    """Return a copy of the denoiser's graph for so many rows, or for `ANY`."""
    graph = denoiser.clone()
    if rows != ANY:
        sides = [input.get_partial_shape() for input in graph.inputs]
        graph.reshape({place: [rows, *list(shape)[1:]] for place, shape in enumerate(sides)})
    return graph


def _projected_width(denoiser: Any) -> int:
    return int(denoiser.input(1).get_partial_shape()[1].get_length())


def _precisions(core: Any) -> tuple[str, ...]:
    # A processor that reports bfloat16 is mostly faster in it, at times slower by half: `auto` measures.
    has_bfloat16 = "BF16" in core.get_property("CPU", "OPTIMIZATION_CAPABILITIES")
    return ("bfloat16", "float32") if has_bfloat16 else ("float32",)
