"""The family of FLUX.2-klein: its transformer with Qwen 3, which draws and edits."""

from types import MappingProxyType
from typing import Any

import torch
from torch import nn

from pipeline.conditioning import ConditioningShape
from pipeline.denoiser import ConditioningRows
from pipeline.families.family import QWEN_NETWORKS, QWEN_TOKENIZERS, Config, Family, PictureShape, check_channels
from pipeline.text_encoders.qwen import Flux2Text, flux2_shape
from presets.errors import ModelError

SOURCE_TIME = 10
"""First position of a source's tokens, as diffusers' pipelines number pictures. That of the drawn picture is 0."""


class Flux2Denoiser(nn.Module):
    """diffusers' `Flux2Transformer2DModel` as a `pipeline.denoiser.Denoiser` that sees its source.

    A token is one pixel of a latent, whose patches the autoencoder makes. The tokens of the source follow those of the
    picture. A row without a source, which the stream fills with zeros, hides them: nothing attends to them. In a half
    type the network itself rounds σ, as in training.
    """

    embedded_guidance = False
    """The network does not take the guidance scale as an input."""
    # Integers, so that conversion of the module to a half type does not change them.
    image_ids: torch.Tensor

    def __init__(self, transformer: Any, latent_shape: tuple[int, int, int]) -> None:
        """
        Args:
            transformer: The network, on its device and in eval mode.
            latent_shape: ``(C, h, w)`` of one latent.
        """
        super().__init__()
        self.transformer = transformer
        _, height, width = latent_shape
        options = {"device": transformer.device, "dtype": torch.int64}
        ids = torch.zeros(2, height, width, 4, **options)
        ids[1, ..., 0] = SOURCE_TIME
        ids[..., 1] = torch.arange(height, **options)[:, None]
        ids[..., 2] = torch.arange(width, **options)
        self.register_buffer("image_ids", ids.flatten(0, 2), persistent=False)

    def conditioning(self, tokens: int) -> ConditioningShape:
        """Return the shape of a text of `tokens` tokens."""
        return ConditioningShape((tokens, self.transformer.config.joint_attention_dim))

    def forward(self, latents: torch.Tensor, timesteps: torch.Tensor, conditioning: ConditioningRows) -> torch.Tensor:
        """Return the output, as `pipeline.denoiser.Denoiser`. Timesteps ``[B]`` are 1000σ."""
        picture, source = latents.chunk(2, dim=1)
        tokens = torch.cat([picture.flatten(2), source.flatten(2)], dim=2).transpose(1, 2)
        words, pixels = conditioning.embeds.shape[1], picture[0, 0].numel()
        text_ids = nn.functional.pad(torch.arange(words, device=latents.device)[:, None], (3, 0))
        is_source = torch.arange(words + 2 * pixels, device=latents.device) >= words + pixels
        read = ~is_source | (source.abs().amax(dim=(1, 2, 3)) > 0)[:, None]
        out: torch.Tensor = self.transformer(
            tokens,
            encoder_hidden_states=conditioning.embeds,
            timestep=timesteps / 1000.0,
            img_ids=self.image_ids,
            txt_ids=text_ids,
            joint_attention_kwargs={"attention_mask": read[:, None, None, :]},
            return_dict=False,
        )[0]
        return out[:, :pixels].transpose(1, 2).reshape(picture.shape)


def _check(folder: str, config: Config, channels: int) -> None:
    wanted = f"its vae has latents of {channels}. FLUX.2 needs its own, AutoencoderKLFlux2, with patches of 2 × 2."
    check_channels(folder, config, channels, wanted)
    if config.get("guidance_embeds", True):
        raise ModelError(
            f"The transformer of {folder} takes guidance as an input, as FLUX.2-dev; this version plays FLUX.2-klein,"
            " which takes none."
        )
    if config.get("patch_size", 1) != 1:
        raise ModelError(f"The transformer of {folder} has patch_size={config['patch_size']!r}; FLUX.2 has 1.")


def _adapter(network: Any, shape: PictureShape) -> nn.Module:
    return Flux2Denoiser(network, shape.latent)


FLUX2 = Family(
    title="FLUX.2",
    network="transformer",
    components={
        "transformer": ("Flux2Transformer2DModel",),
        "text_encoder": QWEN_NETWORKS,
        "tokenizer": QWEN_TOKENIZERS,
    },
    check=_check,
    text=Flux2Text,
    text_shape=flux2_shape,
    adapter=_adapter,
    sees_source=lambda config: True,
    flow_matching=MappingProxyType({"shift_rule": "empirical"}),
)
