"""OpenVINO: the graphs converted straight from torch, compiled for this processor, sharing memory with torch."""

from collections.abc import Callable
from typing import Any

import openvino
import psutil
import torch

from pipeline.accelerators.converted import converted
from pipeline.accelerators.converted import is_kept as converted_is_kept
from pipeline.accelerators.engines import Engines, Preparation, Shapes
from pipeline.accelerators.precision import type_of
from pipeline.denoiser import ConditioningRows
from pipeline.models import Model

STATIC_SIZES = (1, 2, 3, 4, 5, 6, 8)
"""Batch sizes with a compiled network of their own, about 15 % faster than the one of any size that runs the
rest. Past them even sizes only: the largest batches are guided, two rows a picture."""


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
    options = {
        "PERFORMANCE_HINT": "LATENCY",
        "INFERENCE_NUM_THREADS": preparation.threads or psutil.cpu_count(logical=False) or 1,
    }
    progress = preparation.progress
    graphs = converted(core, model, shapes, progress, preparation.cache)
    # Torch only moves a few small tensors here; threads of its own would spin on the cores that OpenVINO computes on.
    torch.set_num_threads(1)
    static = [size for size in STATIC_SIZES if size <= shapes.rows]
    larger = [*range(static[-1] + 2, shapes.rows, 2), shapes.rows] if static[-1] < shapes.rows else []
    width = graphs["denoiser"].input(1).get_partial_shape()[1].get_length()

    def compiling(graph: Any, precision: str = precision) -> Callable[[], Any]:
        return lambda: core.compile_model(graph, "CPU", options | {"INFERENCE_PRECISION_HINT": precision})

    def of_size(size: int) -> Any:
        network = graphs["denoiser"].clone()
        network.reshape({0: [size, *shapes.latent], 1: [size, width], 2: [size, *shapes.embeds]})
        return network

    # The timesteps always in float32: bfloat16 has 750 and 753 in one.
    work = [compiling(graphs["timesteps"], "f32"), compiling(graphs["encoder"]), compiling(graphs["decoder"])]
    work += [compiling(of_size(size)) for size in static]
    work += [compiling(graphs["denoiser"])] if larger else []
    answers = preparation.together(work)
    preparation.meanwhile()
    compiled = []
    for place, answer in enumerate(answers):
        progress("compiling the network for batches of many sizes", 0.4 + 0.6 * place / len(work))
        compiled.append(answer)
    timesteps, encoder, decoder, *networks = compiled
    sizes = dict(zip(static, networks, strict=False)) | dict.fromkeys(larger, networks[-1])
    denoiser = _Denoiser(sizes, timesteps, width, shapes.latent)
    pixels = (1, shapes.height, shapes.width, 3)
    encode = _Request(encoder, torch.empty(1, *shapes.latent))
    decode = _Request(decoder, torch.empty(pixels, dtype=torch.uint8))
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

    def __init__(self, networks: dict[int, Any], timesteps: Any, width: int, latent: tuple[int, int, int]) -> None:
        self.sizes = tuple(networks)
        self._requests = {size: _Request(network, torch.empty(size, *latent)) for size, network in networks.items()}
        self._projections = {size: _Request(timesteps, torch.empty(size, width)) for size in networks}

    def __call__(self, latents: torch.Tensor, timesteps: torch.Tensor, conditioning: ConditioningRows) -> torch.Tensor:
        size = len(latents)
        return self._requests[size](latents, self._projections[size](timesteps), conditioning.embeds)
