"""The UNets of Stable Diffusion, InstaFlow, LCM and SDXL: their adapter, and the two families that have them."""

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import torch
from torch import nn

from pipeline.conditioning import ConditioningShape
from pipeline.denoiser import ConditioningRows
from pipeline.families.family import CLIP_TOKENIZERS, FLOW_MATCHING_SCHEDULERS, Family, PictureShape
from pipeline.text_encoders.clip import ClipText, SdxlText, clip_shape, sdxl_shape, sdxl_zeroes_empty_negative
from pipeline.text_encoders.text_parts import TextParts
from presets.errors import ModelError


class UNetDenoiser(nn.Module):
    """diffusers' `UNet2DConditionModel` as a `pipeline.denoiser.Denoiser`.

    SDXL also takes the pooled text and six numbers of size and crop (arXiv:2307.01952, section 2.2), fixed here to an
    uncropped image at the size of the output. LCM also takes the guidance scale (arXiv:2310.04378, section 4.2).
    ``addition_embed_type`` "text" takes no input: diffusers pools the hidden states itself.
    """

    # Integers, so that conversion of the module to a half type does not change them.
    sizes: torch.Tensor | None
    octaves: torch.Tensor | None

    def __init__(self, unet: Any, pixels: tuple[int, int]) -> None:
        """
        Args:
            unet: The network, on its device and in eval mode.
            pixels: Height and width of the image.

        Raises:
            ModelError: the UNet needs an input that the stream does not have.
        """
        super().__init__()
        added = unet.config.addition_embed_type
        if added not in (None, "text", "text_time") or unet.config.class_embed_type is not None:
            raise ModelError(
                f"This UNet has addition_embed_type {added!r} and class_embed_type {unet.config.class_embed_type!r};"
                " supported are None, 'text' or 'text_time', and None."
            )
        self.unet = unet
        width = unet.config.time_cond_proj_dim
        self.embedded_guidance = width is not None
        """True if the network takes the guidance scale as an input."""
        sizes = torch.tensor([[*pixels, 0, 0, *pixels]], device=unet.device) if added == "text_time" else None
        self.register_buffer("sizes", sizes, persistent=False)
        octaves = torch.arange(width // 2, device=unet.device) if width else None
        self.register_buffer("octaves", octaves, persistent=False)

    def conditioning(self, tokens: int) -> ConditioningShape:
        """Return the shape of a text of `tokens` tokens."""
        config = self.unet.config
        pooled = None
        if self.sizes is not None:
            pooled = config.projection_class_embeddings_input_dim - 6 * config.addition_time_embed_dim
        return ConditioningShape((tokens, config.cross_attention_dim), pooled=pooled)

    def forward(self, latents: torch.Tensor, timesteps: torch.Tensor, conditioning: ConditioningRows) -> torch.Tensor:
        """Return the output, as `pipeline.denoiser.Denoiser`. Timesteps ``[B]`` are training timesteps, 0 to 1000."""
        added = None
        if self.sizes is not None and conditioning.pooled is not None:
            # The UNet concatenates it with float32 sizes. torch promotes a half type there, ONNX does not.
            pooled = conditioning.pooled.to(torch.promote_types(conditioning.pooled.dtype, torch.float32))
            added = {"text_embeds": pooled, "time_ids": self.sizes.expand(latents.shape[0], -1)}
        guidance = None
        if self.octaves is not None and conditioning.guidance is not None:
            guidance = _guidance_embedding(conditioning.guidance, self.octaves).to(latents.dtype)
        out: torch.Tensor = self.unet(
            latents,
            timesteps,
            conditioning.embeds,
            timestep_cond=guidance,
            added_cond_kwargs=added,
            return_dict=False,
        )[0]
        return out


def _guidance_embedding(scale: torch.Tensor, octaves: torch.Tensor) -> torch.Tensor:
    """Return LCM's sinusoidal embedding of ``scale − 1``, float32 ``[B, W]``, for scales ``[B]`` and W/2 octaves."""
    frequencies = 1000.0 * torch.exp(octaves * (-math.log(10000.0) / (len(octaves) - 1)))
    angles = (scale.float() - 1.0)[:, None] * frequencies
    return torch.cat([angles.sin(), angles.cos()], dim=1)


def _check(folder: str, config: Mapping[str, Any], channels: int) -> None:
    """Raise `ModelError` if a UNet takes or gives something that the stream does not have.

    ``addition_embed_type`` "text" takes nothing more: diffusers' ``TextTimeEmbedding`` reads the text's hidden states.
    """
    added = config.get("addition_embed_type")
    for key, known in (("addition_embed_type", (None, "text", "text_time")), ("class_embed_type", (None,))):
        if config.get(key) not in known:
            raise ModelError(f"The unet of {folder} has {key}={config[key]!r}, which this version does not support.")
    heads, width = config.get("addition_embed_type_num_heads"), config.get("cross_attention_dim")
    if added == "text":
        counted = isinstance(heads, int) and isinstance(width, int) and heads > 0
        if not counted or width % heads:  # type: ignore[operator]
            raise ModelError(
                f"The unet of {folder} has addition_embed_type='text' with addition_embed_type_num_heads={heads!r}; it"
                f" must be a whole number that divides cross_attention_dim, {width!r}."
            )
    taken, returned = config.get("in_channels"), config.get("out_channels")
    if returned != channels:
        raise ModelError(f"The unet of {folder} returns {returned!r} channels; its vae has latents of {channels!r}.")
    if taken not in (channels, 2 * channels):
        raise ModelError(
            f"The unet of {folder} takes {taken!r} channels and returns {returned!r}. This version supports as many as"
            f" it returns, or twice as many, for a network that sees its source (InstructPix2Pix)."
            " Inpainting and depth models take others."
        )


def _sees_source(config: Mapping[str, Any]) -> bool:
    """Return True if a UNet takes the source's latent beside the noised one, as InstructPix2Pix."""
    return bool(config["in_channels"] == 2 * config["out_channels"])


def _embeds_guidance(config: Mapping[str, Any]) -> bool:
    """Return True if a UNet takes the guidance scale as an input, as LCM."""
    return config.get("time_cond_proj_dim") is not None


def _adapter(network: Any, shape: PictureShape) -> nn.Module:
    """Return a UNet as a denoiser."""
    return UNetDenoiser(network, (shape.height, shape.width))


def _text(parts: TextParts) -> ClipText:
    return ClipText(parts.tokenizer("tokenizer"), parts.network("text_encoder"))


STABLE_DIFFUSION = Family(
    title="Stable Diffusion",
    network="unet",
    components={
        "unet": ("UNet2DConditionModel",),
        "text_encoder": ("CLIPTextModel",),
        "tokenizer": CLIP_TOKENIZERS,
    },
    check=_check,
    text=_text,
    text_shape=clip_shape,
    adapter=_adapter,
    schedulers=(
        *FLOW_MATCHING_SCHEDULERS,
        "PeRFlowScheduler",
        "StraightFlowScheduler",
        "EulerDiscreteScheduler",
        "EulerAncestralDiscreteScheduler",
        "LCMScheduler",
    ),
    embeds_guidance=_embeds_guidance,
    sees_source=_sees_source,
    splits_timesteps=lambda config: not _embeds_guidance(config),
    takes_controlnet=True,
    takes_ip_adapter=True,
    takes_loras=True,
)

SDXL = replace(
    STABLE_DIFFUSION,
    title="SDXL",
    components={
        **STABLE_DIFFUSION.components,
        "text_encoder_2": ("CLIPTextModelWithProjection",),
        "tokenizer_2": CLIP_TOKENIZERS,
    },
    text=SdxlText,
    text_shape=sdxl_shape,
    zeroes_empty_negative=sdxl_zeroes_empty_negative,
    matches=lambda config: config.get("addition_embed_type") == "text_time",
    splits_timesteps=lambda config: False,
    upcasts_autoencoder=True,
)
