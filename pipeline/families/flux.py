"""The family of FLUX.1: its transformer with CLIP's pooled vector and T5."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import torch
from torch import nn

from pipeline.conditioning import ConditioningShape
from pipeline.denoiser import ConditioningRows
from pipeline.families.family import CLIP_TOKENIZERS, T5_TOKENIZERS, Family, PictureShape, check_channels
from pipeline.text_encoders.t5 import FluxText, flux_shape
from presets.errors import ModelError, StreamError


class FluxDenoiser(nn.Module):
    """diffusers' `FluxTransformer2DModel` as a `pipeline.denoiser.Denoiser`.

    The network takes latents as tokens of 2 × 2 with position ids. The stream keeps latents as images ``[C, h, w]``;
    this adapter packs and unpacks them. In a half type the network itself rounds σ, as in training.
    """

    # Integers, so that conversion of the module to a half type does not change them.
    image_ids: torch.Tensor
    text_ids: torch.Tensor

    def __init__(self, transformer: Any, latent_shape: tuple[int, int, int]) -> None:
        """
        Args:
            transformer: The network, on its device and in eval mode.
            latent_shape: ``(C, h, w)`` of one latent, h and w even.

        Raises:
            StreamError: the latent does not fit into tokens of 2 × 2.
            ModelError: the network's output has not the shape of a latent.
        """
        super().__init__()
        channels, height, width = latent_shape
        in_channels, out_channels = transformer.config.in_channels, transformer.out_channels
        if in_channels != out_channels:
            raise ModelError(
                f"This FLUX network takes {in_channels} channels and returns {out_channels}; they must be equal."
            )
        if height % 2 or width % 2 or 4 * channels != in_channels:
            raise StreamError(
                f"latent_shape is {latent_shape}; this network needs {in_channels // 4} channels, and an even height"
                " and width."
            )
        self.transformer = transformer
        self.embedded_guidance = bool(transformer.config.guidance_embeds)
        """True if the network takes the guidance scale as an input."""
        options = {"device": transformer.device, "dtype": torch.int64}
        ids = torch.zeros(height // 2, width // 2, 3, **options)
        ids[..., 1] = torch.arange(height // 2, **options)[:, None]
        ids[..., 2] = torch.arange(width // 2, **options)
        self.register_buffer("image_ids", ids.flatten(0, 1), persistent=False)
        self.register_buffer("text_ids", torch.zeros(1, 3, **options), persistent=False)

    def conditioning(self, tokens: int) -> ConditioningShape:
        """Return the shape of a text of `tokens` T5 tokens with CLIP's pooled vector."""
        config = self.transformer.config
        return ConditioningShape((tokens, config.joint_attention_dim), pooled=config.pooled_projection_dim)

    def forward(self, latents: torch.Tensor, timesteps: torch.Tensor, conditioning: ConditioningRows) -> torch.Tensor:
        """Return the output, as `pipeline.denoiser.Denoiser`. Timesteps ``[B]`` are 1000σ."""
        out: torch.Tensor = self.transformer(
            pack_latents(latents),
            encoder_hidden_states=conditioning.embeds,
            pooled_projections=conditioning.pooled,
            timestep=timesteps / 1000.0,
            img_ids=self.image_ids,
            txt_ids=self.text_ids.expand(conditioning.embeds.shape[1], 3),
            guidance=conditioning.guidance,
            return_dict=False,
        )[0]
        return unpack_latents(out, latents.shape)


def pack_latents(latents: torch.Tensor) -> torch.Tensor:
    """Return latents ``[B, C, h, w]`` as tokens ``[B, h/2·w/2, 4C]``, in row order, each 2 × 2 of one channel."""
    batch, channels, height, width = latents.shape
    cells = latents.reshape(batch, channels, height // 2, 2, width // 2, 2)
    return cells.permute(0, 2, 4, 1, 3, 5).reshape(batch, height * width // 4, 4 * channels)


def unpack_latents(tokens: torch.Tensor, shape: torch.Size) -> torch.Tensor:
    """Return packed tokens as latents of `shape`, the inverse of `pack_latents`."""
    batch, channels, height, width = shape
    cells = tokens.reshape(batch, height // 2, width // 2, channels, 2, 2)
    return cells.permute(0, 3, 1, 4, 2, 5).reshape(shape)


def _check(folder: str, config: Mapping[str, Any], channels: int) -> None:
    wanted = (
        f"its vae has latents of {channels}, so FLUX.1 takes {4 * channels}. Fill, Canny and Depth variants take"
        " others."
    )
    check_channels(folder, config, 4 * channels, wanted)


def _adapter(network: Any, shape: PictureShape) -> nn.Module:
    return FluxDenoiser(network, shape.latent)


FLUX = Family(
    title="FLUX.1",
    network="transformer",
    components={
        "transformer": ("FluxTransformer2DModel",),
        "text_encoder": ("CLIPTextModel",),
        "text_encoder_2": ("T5EncoderModel",),
        "tokenizer": CLIP_TOKENIZERS,
        "tokenizer_2": T5_TOKENIZERS,
    },
    check=_check,
    text=FluxText,
    text_shape=flux_shape,
    adapter=_adapter,
    embeds_guidance=lambda config: bool(config.get("guidance_embeds")),
    latent_multiple=2,
    flow_matching=MappingProxyType({"shift_rule": "linear"}),
)
