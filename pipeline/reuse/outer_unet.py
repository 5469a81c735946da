"""A UNet of diffusers in two forms: all of it, which keeps its deep features, and its outermost blocks, which read
them.

This is the cut of DeepCache (arXiv:2312.00858): the outermost blocks of a UNet run at every call, and the features that
come up from the blocks inside are kept. DeepCache keeps them from one timestep to the next; here they are those of an
earlier picture at the same timestep. Both forms share the weights of the UNet that they are made of.
"""

import copy
from typing import Any

import torch
from torch import nn

from pipeline.models import Model
from presets.errors import ModelError

_ATTRIBUTE = "kept_features"
BLOCKS = {
    "down_block_types": (0, ("DownBlock2D", "CrossAttnDownBlock2D")),
    "up_block_types": (-1, ("UpBlock2D", "CrossAttnUpBlock2D")),
}
"""Place of the outermost block by the key of the UNet's configuration, and the classes that it may have."""


class KeptFeatures:
    """Deep features of the present call, as `pipeline.extra_inputs.ExtraInputs` holds the inputs of one."""

    def __init__(self) -> None:
        self.rows: torch.Tensor | None = None
        """``[B, C, h, w]``"""


class _Tap(nn.Module):
    """An up block that keeps what it receives from below."""

    def __init__(self, block: Any, kept: KeptFeatures) -> None:
        super().__init__()
        self.block = block
        self.kept = kept
        self.has_cross_attention = getattr(block, "has_cross_attention", False)

    @property
    def resnets(self) -> Any:
        """Layers of the block, which diffusers counts to divide the skip connections."""
        return self.block.resnets

    def forward(self, hidden_states: torch.Tensor, **others: Any) -> torch.Tensor:
        """Return the block's output."""
        self.kept.rows = hidden_states
        out: torch.Tensor = self.block(hidden_states=hidden_states, **others)
        return out


class _Below(nn.Module):
    """Stand-in for all blocks inside: it returns the features that were kept."""

    def __init__(self, kept: KeptFeatures) -> None:
        super().__init__()
        self.kept = kept

    def forward(self, hidden_states: torch.Tensor, temb: torch.Tensor) -> Any:
        """Return the kept features, ``[B, C, h, w]``."""
        return self.kept.rows


def keeping_unet(unet: Any) -> Any:
    """Return a ``UNet2DConditionModel`` as a network of the same function that keeps what its last block receives."""
    kept = KeptFeatures()
    *inner, last = unet.up_blocks
    return _variant(unet, kept, up_blocks=nn.ModuleList([*inner, _Tap(last, kept)]))


def outer_unet(unet: Any) -> Any:
    """Return the outermost blocks of a UNet, as a network that reads the features kept by its `keeping_unet`.

    They are its first block without halving, whose skip connections the last block reads, and that block.
    """
    kept = KeptFeatures()
    down = _shared(unet.down_blocks[0])
    down.downsamplers = None
    return _variant(
        unet,
        kept,
        down_blocks=nn.ModuleList([down]),
        mid_block=_Below(kept),
        up_blocks=nn.ModuleList([unet.up_blocks[-1]]),
    )


def kept_features_of(network: nn.Module) -> KeptFeatures:
    """Return the features that the UNet inside `network` keeps or reads."""
    found: KeptFeatures = next(vars(each)[_ATTRIBUTE] for each in network.modules() if _ATTRIBUTE in vars(each))
    return found


def kept_shape(model: Model, height: int, width: int) -> tuple[int, int, int]:
    """Return ``(C, h, w)`` of the features that a model's network keeps for one picture.

    Args:
        model: The model.
        height: Height of a latent.
        width: Width of a latent.

    Raises:
        ModelError: the network can't be cut, or has a ControlNet beside it.
    """
    advice = "Set reuse to false."
    if model.family.network_class != "UNet2DConditionModel":
        raise ModelError(f"reuse needs a UNet, and {model.name} is of the family {model.family.title}. {advice}")
    if model.adapters.controlnet is not None:
        # Its residuals go to the inner blocks too, which would hold on to an earlier control picture.
        raise ModelError(f"reuse can't be used with a ControlNet, which steers the blocks that are reused. {advice}")
    config = model.configurations["unet"]
    for key, (place, classes) in BLOCKS.items():
        if config[key][place] not in classes:
            raise ModelError(f"reuse can't cut a {config[key][place]}, the outermost block of {model.name}. {advice}")
    # The second width comes up to the outermost block. A UNet of one block gets the first from its middle.
    return config["block_out_channels"][:2][-1], height, width


def _variant(unet: Any, kept: KeptFeatures, **blocks: nn.Module) -> Any:
    variant = _shared(unet)
    for name, block in blocks.items():
        setattr(variant, name, block)
    setattr(variant, _ATTRIBUTE, kept)
    return variant


def _shared(module: Any) -> Any:
    """Return a copy of a module that shares every submodule and weight, and whose own may be replaced."""
    shared = copy.copy(module)
    shared._modules = dict(module._modules)
    return shared
