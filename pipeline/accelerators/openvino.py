"""OpenVINO: the graphs converted straight from torch, compiled for this processor, sharing memory with torch."""

from pathlib import Path
from typing import Any

import openvino
import psutil
import torch

from pipeline.accelerators.converted import Graphs, converted
from pipeline.accelerators.engines import Engines, Progress, Shapes
from pipeline.denoiser import ConditioningRows
from pipeline.models import Model

STATIC_SIZES = (1, 2, 3, 4, 6, 8)
"""Batch sizes with a compiled network of their own, about 15 % faster than the one of any size that runs the
rest: even sizes, because the largest batches are guided, two rows a picture."""


def build(
    model: Model, shapes: Shapes, progress: Progress, threads: int | None = None, cache: Path | None = None
) -> Engines:
    """Converts (or finds the conversion in the cache) and compiles, in bfloat16 where the processor computes in it.

    Compiled code is not kept on disk: OpenVINO loads a damaged blob without a word and answers NaN (seen with 2026.4),
    each size's blob is as large as the model, and loading one saves a quarter of a second.

    Args:
        threads: Inference threads; None takes one a physical core. Torch is left with one.
        cache: Where conversions are kept; None takes the user's cache folder.
    """
    core = openvino.Core()
    precision = "bf16" if "BF16" in core.get_property("CPU", "OPTIMIZATION_CAPABILITIES") else "f32"
    return compile_engines(core, model, shapes, progress, precision, threads, cache)


def compile_engines(
    core: Any,
    model: Model,
    shapes: Shapes,
    progress: Progress,
    precision: str,
    threads: int | None,
    cache: Path | None,
) -> Engines:
    """`build` in a given precision, ``f32`` or ``bf16``."""
    options = {
        "PERFORMANCE_HINT": "LATENCY",
        "INFERENCE_PRECISION_HINT": precision,
        "INFERENCE_NUM_THREADS": threads or psutil.cpu_count(logical=False) or 1,
    }
    graphs = converted(core, model, shapes, progress, cache)
    # Torch only moves a few small tensors here; threads of its own would spin on the cores that OpenVINO computes on.
    torch.set_num_threads(1)
    denoiser = _Denoiser(core, graphs, shapes, options, progress)
    progress("compiling the autoencoder", 0.9)
    latent, pixels = (1, *shapes.latent), (1, shapes.height, shapes.width, 3)
    encode = _Request(core.compile_model(graphs["encoder"], "CPU", options), torch.empty(latent))
    decode = _Request(core.compile_model(graphs["decoder"], "CPU", options), torch.empty(pixels, dtype=torch.uint8))
    progress("ready", 1.0)
    name = "bfloat16" if precision == "bf16" else "float32"
    return Engines(denoiser, encode, decode, denoiser.sizes, torch.device("cpu"), name)


class _Request:
    """One inference request whose inputs and output are torch tensors' own memory: nothing is copied."""

    def __init__(self, compiled: Any, out: torch.Tensor) -> None:
        self._request = compiled.create_infer_request()
        self._out = out
        self._request.set_output_tensor(0, openvino.Tensor(out.numpy(), shared_memory=True))
        self._bound: list[torch.Tensor | None] = [None] * len(compiled.inputs)
        self._pointers = [0] * len(compiled.inputs)

    def __call__(self, *inputs: torch.Tensor) -> torch.Tensor:
        for place, tensor in enumerate(inputs):
            if tensor.data_ptr() != self._pointers[place]:
                held = tensor.contiguous()
                self._request.set_input_tensor(place, openvino.Tensor(held.numpy(), shared_memory=True))
                self._bound[place] = held  # kept alive as long as the request reads it
                self._pointers[place] = held.data_ptr()
        self._request.infer()
        return self._out


class _Denoiser:
    """One compiled network a static batch size, and one of any size for larger batches."""

    def __init__(self, core: Any, graphs: Graphs, shapes: Shapes, options: dict[str, Any], progress: Progress) -> None:
        static = [size for size in STATIC_SIZES if size <= shapes.rows]
        larger = [*range(static[-1] + 2, shapes.rows, 2), shapes.rows] if static[-1] < shapes.rows else []
        self.sizes = (*static, *larger)
        self._requests: dict[int, _Request] = {}
        self._projections: dict[int, _Request] = {}
        width = graphs["denoiser"].input(1).get_partial_shape()[1].get_length()
        for done, size in enumerate(static):
            progress(f"compiling the network for a batch of {size}", 0.4 + 0.4 * done / len(static))
            network = graphs["denoiser"].clone()
            network.reshape({0: [size, *shapes.latent], 1: [size, width], 2: [size, *shapes.embeds]})
            self._requests[size] = _Request(
                core.compile_model(network, "CPU", options), torch.empty(size, *shapes.latent)
            )
        if larger:
            progress(f"compiling the network for batches up to {shapes.rows}", 0.8)
            compiled = core.compile_model(graphs["denoiser"], "CPU", options)
            for size in larger:
                self._requests[size] = _Request(compiled, torch.empty(size, *shapes.latent))
        # Always in float32: bfloat16 has 750 and 753 in one.
        compiled = core.compile_model(graphs["timesteps"], "CPU", {**options, "INFERENCE_PRECISION_HINT": "f32"})
        for size in self.sizes:
            self._projections[size] = _Request(compiled, torch.empty(size, width))

    def __call__(self, latents: torch.Tensor, timesteps: torch.Tensor, conditioning: ConditioningRows) -> torch.Tensor:
        size = len(latents)
        return self._requests[size](latents, self._projections[size](timesteps), conditioning.embeds)
