"""Networks computed in a half type, with float32 at their edges: the stream around them stays as it is."""

from typing import Any

import torch
from torch import nn

from presets.errors import AcceleratorUnavailable

TYPES = {"float32": torch.float32, "float16": torch.float16, "bfloat16": torch.bfloat16}
"""By the name that `pipeline.accelerators.engines.Preparation` asks with."""


class InPrecision(nn.Module):
    """A network whose first argument, and whatever else is float32 but the timesteps, is cast on its way in."""

    def __init__(self, network: Any, dtype: torch.dtype) -> None:
        super().__init__()
        self.network = network.to(dtype)
        self.dtype = dtype

    def forward(self, tensor: torch.Tensor, *others: torch.Tensor) -> torch.Tensor:
        """One tensor to one tensor, float32; of three, latents, timesteps ``[B]`` and embeds, as a UNet takes them."""
        if not others:
            out: torch.Tensor = self.network(tensor.to(self.dtype))
            return out.float()
        timesteps, embeds = others
        out = self.network(tensor.to(self.dtype), timesteps, embeds.to(self.dtype), return_dict=False)[0]
        return out.float()


def type_of(precision: str, known: tuple[str, ...], who: str) -> torch.dtype:
    """The type that `precision` names.

    Raises:
        AcceleratorUnavailable: `who` does not compute in it here.
    """
    if precision not in known:
        raise AcceleratorUnavailable(f"{who} can't compute in {precision} here; it can in {' and '.join(known)}.")
    return TYPES[precision]
