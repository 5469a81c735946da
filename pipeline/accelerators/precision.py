"""A model's networks in torch, in any precision, with float32 inputs and outputs: the stream around them is float32."""

from typing import Any

import torch
from torch import nn

from pipeline.accelerators.engines import Shapes
from pipeline.denoiser import ConditioningRows, Denoiser
from pipeline.graphs import FamilyGraph
from pipeline.models import Model
from presets.errors import AcceleratorUnavailable

TYPES = {"float32": torch.float32, "float16": torch.float16, "bfloat16": torch.bfloat16}
"""Dtypes by the name in `pipeline.accelerators.engines.Preparation`."""


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


def dtype_of(precision: str, supported: tuple[str, ...], accelerator: str) -> torch.dtype:
    """Return the dtype with the name `precision`.

    Raises:
        AcceleratorUnavailable: the name is not in `supported`. The message names `accelerator`.
    """
    if precision not in supported:
        raise AcceleratorUnavailable(
            f"{accelerator} can't compute in {precision} here. Choose {' or '.join(supported)}."
        )
    return TYPES[precision]


def torch_network(model: Model, shapes: Shapes, dtype: torch.dtype, device: torch.device) -> nn.Module:
    """Return the model's network as a module of the tensors in ``shapes.row_inputs``, on `device`.

    Weights are in `dtype`, inputs and output in float32. Timesteps and guidance stay in float32 as far as the family
    has them so.
    """
    network = model.denoiser_in(dtype, device)
    return FamilyGraph(model.adapter(network, shapes.picture), shapes.embeds[0]).to(device).eval()


def torch_denoiser(network: nn.Module, shapes: Shapes) -> Denoiser:
    """Return a module of the tensors in ``shapes.row_inputs`` as a `Denoiser`."""
    names = tuple(shapes.row_inputs)[2:]

    @torch.inference_mode()
    def denoise(latents: torch.Tensor, timesteps: torch.Tensor, conditioning: ConditioningRows) -> torch.Tensor:
        out: torch.Tensor = network(latents, timesteps, *(conditioning.part(name) for name in names))
        return out

    return denoise
