"""Networks in a half type, with float32 at their edges. The stream around them stays in float32."""

from typing import Any

import torch
from torch import nn

from presets.errors import AcceleratorUnavailable

TYPES = {"float32": torch.float32, "float16": torch.float16, "bfloat16": torch.bfloat16}
"""Types by the name in `pipeline.accelerators.engines.Preparation`."""


class InPrecision(nn.Module):
    """A network that casts its first argument and every other float32 input but the timesteps."""

    def __init__(self, network: Any, dtype: torch.dtype) -> None:
        super().__init__()
        self.network = network.to(dtype)
        self.dtype = dtype

    def forward(self, tensor: torch.Tensor, *others: torch.Tensor) -> torch.Tensor:
        """Map one tensor to a float32 tensor; or latents, timesteps ``[B]`` and embeds, which a UNet takes."""
        if not others:
            out: torch.Tensor = self.network(tensor.to(self.dtype))
            return out.float()
        timesteps, embeds = others
        out = self.network(tensor.to(self.dtype), timesteps, embeds.to(self.dtype), return_dict=False)[0]
        return out.float()


def type_of(precision: str, known: tuple[str, ...], who: str) -> torch.dtype:
    """Return the type that `precision` names.

    Raises:
        AcceleratorUnavailable: `who` does not compute in it here.
    """
    if precision not in known:
        raise AcceleratorUnavailable(f"{who} can't compute in {precision} here; it can in {' and '.join(known)}.")
    return TYPES[precision]
