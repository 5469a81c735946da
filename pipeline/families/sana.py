"""The family of SANA-Sprint: SANA's linear transformer with Gemma 2."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import nn

from pipeline.conditioning import ConditioningShape
from pipeline.denoiser import ConditioningRows
from pipeline.families.family import GEMMA_TOKENIZERS, Family, PictureShape, check_channels
from pipeline.text_encoders.sana import SanaText, sana_shape


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


def _check(folder: str, config: Mapping[str, Any], channels: int) -> None:
    check_channels(folder, config, channels, f"its vae has latents of {channels}.")


def _adapter(network: Any, shape: PictureShape) -> nn.Module:
    return SanaDenoiser(network)


SANA = Family(
    title="SANA-Sprint",
    network="transformer",
    components={
        "transformer": ("SanaTransformer2DModel",),
        "text_encoder": ("Gemma2Model",),
        "tokenizer": GEMMA_TOKENIZERS,
    },
    check=_check,
    text=SanaText,
    text_shape=sana_shape,
    adapter=_adapter,
    schedulers=("SCMScheduler",),
    embeds_guidance=lambda config: bool(config.get("guidance_embeds")),
    upcasts_autoencoder=True,
)
