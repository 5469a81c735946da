"""The torch.compile accelerator, with regional compilation: each kind of repeated block is compiled once.

That takes seconds instead of the minutes that compiling a network as a whole takes, at nearly the same speed (PyTorch's
recipe "regional compilation"). On a CPU it needs a C++ compiler, on an NVIDIA GPU Triton. On a GPU, whole steps are
recorded as CUDA graphs around the compiled blocks, which has not run on hardware.
"""

import importlib.util
from collections.abc import Iterable, Sequence
from functools import partial
from itertools import count
from typing import Any

import torch
import torch._dynamo.config
from torch._dynamo.exc import ShortenTraceback

from pipeline.accelerators.attention import with_attention
from pipeline.accelerators.eager import available_device
from pipeline.accelerators.engines import Engines, Preparation, Progress, Shapes
from pipeline.accelerators.precision import TYPES, dtype_of, torch_network
from pipeline.accelerators.torch_engines import autoencoder_graphs, on_device, torch_engines
from pipeline.models import Model
from presets.errors import AcceleratorUnavailable

EXTRA_BLOCKS = ("ResnetBlock2D",)
"""Blocks to compile besides those in diffusers' own list. A small UNet spends most of its time in convolutions."""

RECOMPILE_LIMIT = 64
"""Most variants of one kind of block: one for each pair of channel counts, and another one for a batch of 1. Beyond
torch's default of 8, further variants would run uncompiled with no more than a warning."""


def unavailable_reason() -> str:
    """Return the reason why torch.compile can't be used here, or an empty text."""
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
    """Compile the blocks of the network for all batch sizes.

    The default precision is float16 on a GPU and float32 on a CPU.

    Raises:
        AcceleratorUnavailable: the compiler fails.
    """
    progress, device = preparation.progress, available_device()
    if preparation.threads is not None:
        torch.set_num_threads(preparation.threads)
    precision = preparation.precision or ("float16" if device.type == "cuda" else "float32")
    dtype = dtype_of(precision, tuple(TYPES), "torch.compile")
    progress("loading the network", 0.0)
    encoder, decoder = autoencoder_graphs(model, dtype, device)
    preparation.meanwhile()
    network: torch.nn.Module | None = None
    attend = partial(with_attention, name=preparation.attention, dtype=dtype, device=device)
    if preparation.engine is None:
        plain = torch_network(model, shapes, dtype, device)
        network = on_device(plain, device)
        _compile(network, {*_repeated_blocks(plain), *EXTRA_BLOCKS})
        _first_calls(attend(network), shapes, device, progress)
    progress("ready", 1.0)
    return torch_engines(network, encoder, decoder, shapes, precision, device, preparation.sizes, attend)


def _compile(network: torch.nn.Module, kinds: set[str]) -> None:
    # A setting of the process: torch takes it for one block from 2.13 on only.
    torch._dynamo.config.recompile_limit = RECOMPILE_LIMIT
    for block in network.modules():
        if type(block).__name__ in kinds:
            block.compile(dynamic=True)


def _repeated_blocks(network: torch.nn.Module) -> set[str]:
    """Return the classes of blocks that diffusers names for regional compilation."""
    return {name for module in network.modules() for name in getattr(module, "_repeated_blocks", None) or ()}


def _first_calls(network: torch.nn.Module, shapes: Shapes, device: torch.device, progress: Progress) -> None:
    """Make the calls in which torch compiles: one for all batch sizes from 2 on, then one for a batch of 1."""
    inputs = shapes.row_inputs
    for index, size in enumerate((_batch_of_its_own(inputs.values()), 1)):
        progress("compiling the network's blocks", 0.1 + 0.45 * index)
        rows = {name: torch.zeros(size, *shape) for name, shape in inputs.items()}
        rows["timesteps"] += 500.0
        try:
            with torch.inference_mode():
                network(*(each.to(device) for each in rows.values()))
        except ShortenTraceback as error:  # base class of the errors of torch's compilers
            raise AcceleratorUnavailable(f"torch.compile fails: {_first_line(error)}") from error


def _batch_of_its_own(shapes: Iterable[Sequence[int]]) -> int:
    """Return the smallest batch from 2 on that no axis of an input is as long as.

    Torch takes two axes of one length for the same axis, and compiles again for a batch of another size: a batch of 2
    with two LoRAs would do so in the first larger batch of a show.
    """
    lengths = {length for shape in shapes for length in shape}
    return next(size for size in count(2) if size not in lengths)


def _first_line(error: Any) -> str:
    return str(error).strip().partition("\n")[0]
