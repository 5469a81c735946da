"""torch.compile by regions: each kind of block that a network repeats is compiled once, instead of the whole network.

That turns minutes into seconds at nearly the same speed (PyTorch's recipe "regional compilation"). On a processor it
needs a C++ compiler. On an NVIDIA GPU it needs Triton, and steps are captured as CUDA graphs around it, which has not
run on hardware yet.
"""

import importlib.util
from typing import Any

import torch
from torch._dynamo.exc import ShortenTraceback

from pipeline.accelerators.attention import with_attention
from pipeline.accelerators.eager import available_device
from pipeline.accelerators.engines import Engines, Preparation, Progress, Shapes
from pipeline.accelerators.precision import TYPES, InPrecision, type_of
from pipeline.accelerators.torch_engines import autoencoder_graphs, on_device, torch_engines
from pipeline.models import Model
from presets.errors import AcceleratorUnavailable

ALSO_REPEATED = ("ResnetBlock2D",)
"""Blocks of a UNet that diffusers' own list omits. Most of a small network's time is in their convolutions."""

VARIANTS = 64
"""Most compilations of one kind of block: one for each pair of channels, and another for a batch of 1. At torch's own
limit of 8 the rest of a UNet would stay uncompiled, with only a warning."""


def missing() -> str:
    """Return the reason why it can't be used here; empty if it can."""
    if available_device().type == "cuda":
        return "" if importlib.util.find_spec("triton") else "it needs Triton for this GPU"
    from torch._inductor.cpp_builder import get_cpp_compiler
    from torch._inductor.exc import InvalidCxxCompiler

    try:
        get_cpp_compiler()
    except InvalidCxxCompiler:
        return "it finds no C++ compiler"
    return ""


def build(model: Model, shapes: Shapes, preparation: Preparation) -> Engines:
    """Compile for every batch size at once, in float16 on a GPU and float32 on a processor unless another is asked for.

    Raises:
        AcceleratorUnavailable: the compiler gives up.
    """
    progress, device = preparation.progress, available_device()
    if preparation.threads is not None:
        torch.set_num_threads(preparation.threads)
    precision = preparation.precision or ("float16" if device.type == "cuda" else "float32")
    dtype = type_of(precision, tuple(TYPES), "torch.compile")
    progress("loading the network", 0.0)
    encoder, decoder = autoencoder_graphs(model, dtype, device)
    preparation.meanwhile()
    unet: torch.nn.Module | None = None
    if preparation.engine is None:
        unet = on_device(InPrecision(model.unet, dtype), device)
        unet = with_attention(unet, preparation.attention, dtype, device)
        _compile(unet, {*(getattr(model.unet, "_repeated_blocks", None) or ()), *ALSO_REPEATED})
        _call(unet, shapes, device, progress)
    progress("ready", 1.0)
    return torch_engines(unet, encoder, decoder, shapes, precision, device, preparation.sizes)


def _compile(network: torch.nn.Module, kinds: set[str]) -> None:
    for block in network.modules():
        if type(block).__name__ in kinds:
            block.compile(dynamic=True, recompile_limit=VARIANTS)


def _call(unet: torch.nn.Module, shapes: Shapes, device: torch.device, progress: Progress) -> None:
    """Make the first calls, in which torch compiles: a batch of 1 separately, because torch specialises it."""
    for place, size in enumerate((2, 1)):
        progress("compiling the network's blocks", 0.1 + 0.45 * place)
        rows = (torch.zeros(size, *shapes.latent), torch.full((size,), 500.0), torch.zeros(size, *shapes.embeds))
        try:
            with torch.inference_mode():
                unet(*(each.to(device) for each in rows))
        except ShortenTraceback as error:  # the base of errors that torch's compilers raise
            raise AcceleratorUnavailable(f"torch.compile gives up: {_first_line(error)}") from error


def _first_line(error: Any) -> str:
    return str(error).strip().partition("\n")[0]
