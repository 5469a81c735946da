"""A model's networks in torch, in any precision, with float32 inputs and outputs: the stream around them is float32."""

from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from pipeline.accelerators.engines import Shapes
from pipeline.denoiser import ConditioningRows, Denoiser
from pipeline.graphs import FamilyGraph
from pipeline.models import Model
from pipeline.reuse.outer_unet import keeping_unet, outer_unet
from pipeline.reuse.reuse_graphs import KeepingGraph, KeepingNetwork, OuterGraph, ReadingNetwork
from presets.errors import AcceleratorUnavailable
from presets.model_autoencoders import TINY_CLASS

TYPES = {
    "float32": torch.float32,
    "float16": torch.float16,
    "bfloat16": torch.bfloat16,
    "float16_sums": torch.float16,
}
"""Dtypes by the name in `pipeline.accelerators.engines.Preparation`."""


Attend = Callable[[nn.Module], nn.Module]
"""Puts another attention kernel into a network, in place or around it."""


def plain_attention(network: nn.Module) -> nn.Module:
    """Return the network with the attention that it has: the `Attend` that changes nothing."""
    return network


class CastNetwork(nn.Module):
    """An encoder or decoder in `dtype` that casts its input to `dtype` and its output to float32."""

    def __init__(self, network: Any, dtype: torch.dtype) -> None:
        super().__init__()
        self.network = network.to(dtype)
        self.dtype = dtype

    def forward(self, tensor: torch.Tensor) -> torch.Tensor:
        """Return the output in float32."""
        out: torch.Tensor = self.network(tensor.to(self.dtype))
        return out.float()


def autoencoder_type(model: Model, dtype: torch.dtype) -> torch.dtype:
    """Return the dtype of a model's autoencoder where its network is computed in `dtype`.

    SDXL's and SANA's overflow in float16 and would draw black.
    """
    return torch.float32 if dtype == torch.float16 and autoencoder_overflows(model) else dtype


def autoencoder_overflows(model: Model) -> bool:
    """Return True if a model's autoencoder overflows in float16."""
    is_full = model.classes["vae"] != TINY_CLASS
    return model.family.upcasts_autoencoder and is_full and bool(model.configurations["vae"].get("force_upcast", True))


def dtype_of(precision: str, supported: tuple[str, ...], accelerator: str) -> torch.dtype:
    """Return the dtype with the name `precision`.

    Raises:
        AcceleratorUnavailable: the name is not in `supported`. The message names `accelerator`.
    """
    if precision not in supported:
        raise AcceleratorUnavailable(
            f"{accelerator} can't compute in {precision} here. Choose {' or '.join(supported)}."
        )
    sum_in_half(precision == HALF_SUMS, accelerator)
    return TYPES[precision]


HALF_SUMS = "float16_sums"
"""float16 with sums of matrix products in float16 as well."""


def sum_in_half(wanted: bool, accelerator: str) -> None:
    """Have cuBLAS add in float16, or in float32 as it does by default. A setting of the process.

    GeForce cards compute such products at twice the rate. They are less exact, and may overflow. Convolutions stay as
    they are. No card has run it.

    Raises:
        AcceleratorUnavailable: it is wanted, and there is no NVIDIA GPU, or torch can't. The message names
            `accelerator`.
    """
    products = torch.backends.cuda.matmul
    if not wanted:
        if has_half_sums():
            products.allow_fp16_accumulation = False
        return
    if not torch.cuda.is_available():
        raise AcceleratorUnavailable(f"{accelerator} adds in float16 on an NVIDIA GPU only. Choose float16.")
    if not has_half_sums():
        raise AcceleratorUnavailable(f"{accelerator} adds in float16 from torch 2.7 on. Choose float16.")
    products.allow_fp16_accumulation = True


def has_half_sums() -> bool:
    """Return True if this torch has the setting of `sum_in_half`."""
    return hasattr(torch._C, "_set_cublas_allow_fp16_accumulation")


def torch_network(model: Model, shapes: Shapes, dtype: torch.dtype, device: torch.device) -> nn.Module:
    """Return the model's network as a module of the tensors in ``shapes.row_inputs``, on `device`.

    Weights are in `dtype`, inputs and output in float32. Timesteps and guidance stay in float32 as far as the family
    has them so. With ``shapes.kept`` it is a `KeepingNetwork`.
    """
    network = model.denoiser_in(dtype, device)

    def graph(form: nn.Module) -> FamilyGraph:
        return FamilyGraph(model.adapter(form, shapes.picture), shapes.embeds[0])

    if shapes.kept is None:
        return graph(network).to(device).eval()
    whole, outer = KeepingGraph(graph(keeping_unet(network))), OuterGraph(graph(outer_unet(network)))
    kept = torch.zeros(shapes.most_rows, *shapes.kept, dtype=dtype)
    return KeepingNetwork(whole, outer, kept).to(device).eval()


def torch_denoiser(network: nn.Module, shapes: Shapes) -> Denoiser:
    """Return a module of the tensors in ``shapes.row_inputs`` as a `Denoiser`."""
    names = tuple(shapes.row_inputs)[2:]

    @torch.inference_mode()
    def denoise(latents: torch.Tensor, timesteps: torch.Tensor, conditioning: ConditioningRows) -> torch.Tensor:
        out: torch.Tensor = network(latents, timesteps, *(conditioning.part(name) for name in names))
        return out

    return denoise


def torch_denoisers(
    network: nn.Module, shapes: Shapes, attend: Attend = plain_attention
) -> tuple[Denoiser, Denoiser | None]:
    """Return the denoiser of a `torch_network`, and its outermost blocks; None in their place if it keeps no features.

    Args:
        network: Result of `torch_network`.
        shapes: Shapes that it was made for.
        attend: Puts another attention kernel into a module.
    """
    outer = None if shapes.kept is None else torch_denoiser(attend(ReadingNetwork(network)), shapes)
    return torch_denoiser(attend(network), shapes), outer
