"""Networks in another precision with float32 inputs and outputs, so that the stream around them stays float32."""

from typing import Any

import torch
from torch import nn

from presets.errors import AcceleratorUnavailable

TYPES = {"float32": torch.float32, "float16": torch.float16, "bfloat16": torch.bfloat16}
"""Dtypes by the name in `pipeline.accelerators.engines.Preparation`."""


class CastNetwork(nn.Module):
    """A network in `dtype` that casts its inputs to `dtype`, except the timesteps, and its output to float32."""

    def __init__(self, network: Any, dtype: torch.dtype) -> None:
        super().__init__()
        self.network = network.to(dtype)
        self.dtype = dtype

    def forward(self, tensor: torch.Tensor, *others: torch.Tensor) -> torch.Tensor:
        """Return the output in float32.

        Args:
            tensor: Input of an encoder or decoder, or the latents of a UNet.
            others: Nothing, or timesteps ``[B]`` and embeds ``[B, L, D]`` for a UNet.
        """
        if not others:
            out: torch.Tensor = self.network(tensor.to(self.dtype))
            return out.float()
        timesteps, embeds = others
        out = self.network(tensor.to(self.dtype), timesteps, embeds.to(self.dtype), return_dict=False)[0]
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
