"""The family of Stable Diffusion 3 and 3.5: its MMDiT with two CLIP text encoders and T5."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import torch
from torch import nn

from pipeline.conditioning import ConditioningShape
from pipeline.denoiser import ConditioningRows
from pipeline.families.family import CLIP_TOKENIZERS, T5_TOKENIZERS, Family, PictureShape, check_channels
from pipeline.text_encoders.t5 import Sd3Text, sd3_shape
from presets.errors import ModelError


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


def _check(folder: str, config: Mapping[str, Any], channels: int) -> None:
    wanted = f"its vae has latents of {channels}. ControlNet and inpainting variants take others."
    check_channels(folder, config, channels, wanted)
    if config.get("patch_size", 2) != 2:
        raise ModelError(f"The transformer of {folder} has patch_size={config['patch_size']!r}; SD3 has 2.")


def _adapter(network: Any, shape: PictureShape) -> nn.Module:
    # diffusers crops a fixed table of positions at the centre and fails far inside for a larger picture.
    largest, sides = int(network.config.pos_embed_max_size), [side // 2 for side in shape.latent[1:]]
    if max(sides) > largest:
        most = shape.width * 2 * largest // shape.latent[2]
        raise ModelError(f"This model draws at most {most} pixels a side; {shape.width} × {shape.height} is more.")
    return SD3Denoiser(network)


SD3 = Family(
    title="Stable Diffusion 3",
    network="transformer",
    components={
        "transformer": ("SD3Transformer2DModel",),
        "text_encoder": ("CLIPTextModelWithProjection",),
        "text_encoder_2": ("CLIPTextModelWithProjection",),
        "text_encoder_3": ("T5EncoderModel",),
        "tokenizer": CLIP_TOKENIZERS,
        "tokenizer_2": CLIP_TOKENIZERS,
        "tokenizer_3": T5_TOKENIZERS,
    },
    check=_check,
    text=Sd3Text,
    text_shape=sd3_shape,
    adapter=_adapter,
    latent_multiple=2,
    optional=frozenset({"text_encoder_3", "tokenizer_3"}),
    # StableDiffusion3Pipeline leaves the grid to the scheduler.
    flow_matching=MappingProxyType({"sigmas": "scheduler", "shift_rule": "linear"}),
)
