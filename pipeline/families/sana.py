"""Adapter for the linear transformer of SANA and SANA-Sprint."""

from typing import Any

import torch
from torch import nn

from pipeline.conditioning import ConditioningShape
from pipeline.denoiser import ConditioningRows


class SanaDenoiser(nn.Module):
    """diffusers' `SanaTransformer2DModel` as a `pipeline.denoiser.Denoiser`.

    The network takes Gemma's tokens with their mask and, in SANA-Sprint, the guidance scale. SANA-Sprint's output
    (arXiv:2503.09641) is in the SCM parameterisation, which the coefficients of
    `pipeline.schedules.trigflow.trigflow_schedule` convert.
    """

    def __init__(self, transformer: Any) -> None:
        """
        Args:
            transformer: The network, on its device and in eval mode.
        """
        super().__init__()
        self.transformer = transformer
        config = transformer.config
        self.embedded_guidance = bool(config.guidance_embeds)
        """True if the network takes the guidance scale as an input, as in SANA-Sprint."""
        # SANA's pipeline scales its timesteps, SANA-Sprint's does not.
        self._time_scale = 1.0 if self.embedded_guidance else float(config.timestep_scale)
        self._guidance_scale = float(config.guidance_embeds_scale)

    def conditioning(self, tokens: int) -> ConditioningShape:
        """Return the shape of a text of `tokens` tokens."""
        return ConditioningShape((tokens, self.transformer.config.caption_channels), masked=True)

    def forward(self, latents: torch.Tensor, timesteps: torch.Tensor, conditioning: ConditioningRows) -> torch.Tensor:
        """Return the output, as `pipeline.denoiser.Denoiser`.

        Timesteps ``[B]`` are 1000σ for SANA, and s from 0 to 1 for SANA-Sprint.
        """
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
