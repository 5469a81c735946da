"""The MMDiT of Stable Diffusion 3 and 3.5 as the stream's denoiser."""

from typing import Any

import torch
from torch import nn

from pipeline.conditioning import ConditioningShape
from pipeline.denoiser import ConditioningRows


class SD3Denoiser(nn.Module):
    """diffusers' `SD3Transformer2DModel` (arXiv:2403.03206): both texts, joined, and their pooled vectors, joined."""

    embedded_guidance = False
    """Whether the network takes the guidance scale as an input."""

    def __init__(self, transformer: Any) -> None:
        """`transformer` is the network, on its device and in eval mode."""
        super().__init__()
        self.transformer = transformer

    def conditioning(self, tokens: int) -> ConditioningShape:
        """What it reads of a text of so many tokens: 77 of CLIP and, unless they are left out, 256 of T5."""
        config = self.transformer.config
        return ConditioningShape((tokens, config.joint_attention_dim), pooled=config.pooled_projection_dim)

    def forward(self, latents: torch.Tensor, timesteps: torch.Tensor, conditioning: ConditioningRows) -> torch.Tensor:
        """As `pipeline.denoiser.Denoiser`; timesteps ``[B]`` are 1000σ."""
        out: torch.Tensor = self.transformer(
            latents,
            encoder_hidden_states=conditioning.embeds,
            pooled_projections=conditioning.pooled,
            timestep=timesteps,
            return_dict=False,
        )[0]
        return out
