"""The linear transformer of SANA and SANA-Sprint as the stream's denoiser."""

from typing import Any

import torch
from torch import nn

from pipeline.conditioning import ConditioningShape
from pipeline.denoiser import ConditioningRows


class SanaDenoiser(nn.Module):
    """diffusers' `SanaTransformer2DModel`: Gemma's tokens with their mask and, in SANA-Sprint, the guidance scale.

    What comes out is the network's own answer; of SANA-Sprint (arXiv:2503.09641) that is the SCM parameterisation,
    which the schedule's coefficients turn into trigflow's.
    """

    def __init__(self, transformer: Any) -> None:
        """`transformer` is the network, on its device and in eval mode."""
        super().__init__()
        self.transformer = transformer
        config = transformer.config
        self.embedded_guidance = bool(config.guidance_embeds)
        """Whether the network takes the guidance scale as an input: SANA-Sprint's does."""
        # SANA's own pipeline stretches its timesteps so, SANA-Sprint's hands over s as it is.
        self._time_scale = 1.0 if self.embedded_guidance else float(config.timestep_scale)
        self._guidance_scale = float(config.guidance_embeds_scale)

    def conditioning(self, tokens: int) -> ConditioningShape:
        """What it reads of a text of so many tokens."""
        return ConditioningShape((tokens, self.transformer.config.caption_channels), masked=True)

    def forward(self, latents: torch.Tensor, timesteps: torch.Tensor, conditioning: ConditioningRows) -> torch.Tensor:
        """As `pipeline.denoiser.Denoiser`; timesteps ``[B]`` are 1000σ for SANA, and s in 0 to 1 for SANA-Sprint."""
        guidance = conditioning.guidance
        out: torch.Tensor = self.transformer(
            latents,
            encoder_hidden_states=conditioning.embeds,
            encoder_attention_mask=conditioning.mask,
            timestep=timesteps * self._time_scale,
            guidance=None if guidance is None else guidance * self._guidance_scale,
            return_dict=False,
        )[0]
        return out
