"""Adapter for the MMDiT of Stable Diffusion 3 and 3.5."""

from typing import Any

import torch
from torch import nn

from pipeline.conditioning import ConditioningShape
from pipeline.denoiser import ConditioningRows


class SD3Denoiser(nn.Module):
    """diffusers' `SD3Transformer2DModel` (arXiv:2403.03206) as a `pipeline.denoiser.Denoiser`.

    The network takes the hidden states of CLIP and T5 as one sequence, and the pooled vectors of both CLIP encoders as
    one vector.
    """

    embedded_guidance = False
    """The network does not take the guidance scale as an input."""

    def __init__(self, transformer: Any) -> None:
        """
        Args:
            transformer: The network, on its device and in eval mode.
        """
        super().__init__()
        self.transformer = transformer

    def conditioning(self, tokens: int) -> ConditioningShape:
        """Return the shape of a text of `tokens` tokens: 77 of CLIP and, if T5 is used, its 256."""
        config = self.transformer.config
        return ConditioningShape((tokens, config.joint_attention_dim), pooled=config.pooled_projection_dim)

    def forward(self, latents: torch.Tensor, timesteps: torch.Tensor, conditioning: ConditioningRows) -> torch.Tensor:
        """Return the output, as `pipeline.denoiser.Denoiser`. Timesteps ``[B]`` are 1000σ."""
        out: torch.Tensor = self.transformer(
            latents,
            encoder_hidden_states=conditioning.embeds,
            pooled_projections=conditioning.pooled,
            timestep=timesteps,
            return_dict=False,
        )[0]
        return out
