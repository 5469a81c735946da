"""A UNet run by hand with diffusers' own blocks, and with features of another call in the way of DeepCache."""

from typing import Any

import torch


def by_hand(network: Any, given: dict[str, Any], features: torch.Tensor | None) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the output of a UNet, and what comes up to its last block.

    Args:
        network: ``UNet2DConditionModel``.
        given: Its arguments.
        features: What comes up to the last block, in place of what the blocks inside compute. None computes it.
    """
    texts = given["encoder_hidden_states"]
    time = network.time_embedding(network.time_proj(given["timestep"]))
    if (added := network.get_aug_embed(time, texts, given.get("added_cond_kwargs", {}))) is not None:
        time = time + added

    def call(block: Any, sample: torch.Tensor, **more: Any) -> Any:
        more |= {"encoder_hidden_states": texts} if getattr(block, "has_cross_attention", False) else {}
        return block(sample, temb=time, **more)

    sample = network.conv_in(given["sample"])
    skips = [sample]
    for block in network.down_blocks:
        sample, new = call(block, sample)
        skips += new
    below = call(network.mid_block, sample)
    *inner, last = network.up_blocks
    for block in inner:
        count = len(block.resnets)
        skips, taken = skips[:-count], skips[-count:]
        below = call(block, below, res_hidden_states_tuple=tuple(taken))
    below = below if features is None else features
    out = call(last, below, res_hidden_states_tuple=tuple(skips[: len(last.resnets)]))
    return network.conv_out(network.conv_act(network.conv_norm_out(out))), below
