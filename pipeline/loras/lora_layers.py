"""Layers with the branches of LoRAs beside their own weights, each row of a batch at its own weights.

LoRA is ``y + w·(alpha/R)·B·A·x`` (arXiv:2106.09685, section 4.1). Here `w` is an input of the network
(`pipeline.extra_inputs`), so that it changes with every picture and is no part of a compiled engine.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import nn

from pipeline.extra_inputs import ExtraInputs, declare_extra_input
from pipeline.loras.lora_branches import Branch, read_branches
from pipeline.loras.lora_file import LoraFile

WEIGHTS = "loras"
"""Name of the input: the weights of all LoRAs, ``[B, N]``."""


class LowRankLayer(nn.Module):
    """A linear layer or a convolution with the branches of one LoRA or several, as one branch of their ranks' sum."""

    columns: torch.Tensor

    def __init__(self, base: Any, branch: Branch, columns: Sequence[int], inputs: ExtraInputs) -> None:
        """
        Args:
            base: The layer.
            branch: The branch beside it.
            columns: Column of the weight in the input `WEIGHTS`, for each of the branch's ranks.
            inputs: The extra inputs of the network.
        """
        super().__init__()
        self.base = base
        self._inputs = inputs
        rank, out = len(branch.down), len(branch.up)
        self.down: nn.Linear | nn.Conv2d
        self.up: nn.Linear | nn.Conv2d
        if isinstance(base, nn.Conv2d):
            reach: dict[str, Any] = {name: getattr(base, name) for name in ("stride", "padding", "dilation")}
            reach["padding_mode"] = base.padding_mode
            self.down = nn.Conv2d(base.in_channels, rank, base.kernel_size, bias=False, **reach)  # type: ignore[arg-type]
            self.up = nn.Conv2d(rank, out, 1, bias=False)
        else:
            self.down, self.up = nn.Linear(base.in_features, rank, bias=False), nn.Linear(rank, out, bias=False)
        self.down.weight.data, self.up.weight.data = branch
        self.register_buffer("columns", torch.tensor(columns), persistent=False)
        self.to(device=base.weight.device, dtype=base.weight.dtype).eval().requires_grad_(False)

    def forward(self, hidden: torch.Tensor) -> torch.Tensor:
        # Weighted between the two matrices, where a row has the fewest values.
        low = self.down(hidden)
        weights = self._inputs[WEIGHTS].to(low.dtype).index_select(1, self.columns)
        ones = [1] * (low.ndim - 2)
        is_image = isinstance(self.down, nn.Conv2d)
        weights = weights.reshape(-1, low.shape[1], *ones) if is_image else weights.reshape(-1, *ones, low.shape[-1])
        out: torch.Tensor = self.base(hidden) + self.up(low * weights)
        return out

    def halves(self, first: Any, second: Any) -> "tuple[LowRankLayer, LowRankLayer]":
        """Return the branch beside two layers that compute the first and the second half of the outputs of `base`."""
        columns, ups = self.columns.tolist(), self.up.weight.data.chunk(2)
        one, other = (Branch(self.down.weight.data, up.clone()) for up in ups)
        return (
            LowRankLayer(first, one, columns, self._inputs),
            LowRankLayer(second, other, columns, self._inputs),
        )


def add_loras(network: Any, component: str, loras: Sequence[LoraFile]) -> None:
    """Put the branches of LoRAs into a network, all or none, and declare the input of their weights.

    Args:
        network: The network, on the processor. Its layers are replaced.
        component: ``unet``, ``text_encoder`` or ``text_encoder_2``.
        loras: The files. The place of each is the column of its weight.

    Raises:
        ModelError: a file does not fit. The network is as it was.
    """
    by_layer: dict[str, dict[int, Branch]] = {}
    for column, lora in enumerate(loras):
        for layer, branch in read_branches(lora, component, network).items():
            by_layer.setdefault(layer, {})[column] = branch
    if by_layer:
        inputs = declare_extra_input(network, WEIGHTS)
        for layer, branches in by_layer.items():
            together = Branch(
                torch.cat([branch.down for branch in branches.values()]),
                torch.cat([branch.up for branch in branches.values()], dim=1),
            )
            columns = [column for column, branch in branches.items() for _ in branch.down]
            network.set_submodule(layer, LowRankLayer(network.get_submodule(layer), together, columns, inputs))
