"""The transformer of FLUX.1 as the stream's denoiser."""

from typing import Any

import torch
from torch import nn

from pipeline.conditioning import ConditioningShape
from pipeline.denoiser import ConditioningRows
from presets.errors import ModelError, StreamError


class FluxDenoiser(nn.Module):
    """diffusers' `FluxTransformer2DModel`: latents as tokens of 2 × 2, told where each stands.

    Latents stay pictures in the stream, so that warps and mixes find their neighbours; they are packed and unpacked
    here, around the network. In a half type the network itself rounds σ, as it did in training.
    """

    # Whole numbers, so that a network that is turned into a half type leaves them as they are.
    image_ids: torch.Tensor
    text_ids: torch.Tensor

    def __init__(self, transformer: Any, latent_shape: tuple[int, int, int]) -> None:
        """
        Args:
            transformer: The network, on its device and in eval mode.
            latent_shape: ``(C, h, w)`` of one latent, h and w even.

        Raises:
            StreamError: a latent that does not fit into tokens of 2 × 2.
            ModelError: a network that answers something else than a latent.
        """
        super().__init__()
        channels, height, width = latent_shape
        taken, given = transformer.config.in_channels, transformer.out_channels
        if taken != given:
            raise ModelError(f"This FLUX network takes {taken} channels and answers {given}; a denoiser has as many.")
        if height % 2 or width % 2 or 4 * channels != taken:
            raise StreamError(
                f"latent_shape is {latent_shape}; this network takes {taken // 4} channels, height and width even."
            )
        self.transformer = transformer
        self.embedded_guidance = bool(transformer.config.guidance_embeds)
        """Whether the network takes the guidance scale as an input."""
        where = {"device": transformer.device, "dtype": torch.int64}
        ids = torch.zeros(height // 2, width // 2, 3, **where)
        ids[..., 1] = torch.arange(height // 2, **where)[:, None]
        ids[..., 2] = torch.arange(width // 2, **where)
        self.register_buffer("image_ids", ids.flatten(0, 1), persistent=False)
        self.register_buffer("text_ids", torch.zeros(1, 3, **where), persistent=False)

    def conditioning(self, tokens: int) -> ConditioningShape:
        """What it reads of a text of so many tokens: T5's, and CLIP's pooled vector."""
        config = self.transformer.config
        return ConditioningShape((tokens, config.joint_attention_dim), pooled=config.pooled_projection_dim)

    def forward(self, latents: torch.Tensor, timesteps: torch.Tensor, conditioning: ConditioningRows) -> torch.Tensor:
        """As `pipeline.denoiser.Denoiser`; timesteps ``[B]`` are 1000σ."""
        out: torch.Tensor = self.transformer(
            packed(latents),
            encoder_hidden_states=conditioning.embeds,
            pooled_projections=conditioning.pooled,
            timestep=timesteps / 1000.0,
            img_ids=self.image_ids,
            txt_ids=self.text_ids.expand(conditioning.embeds.shape[1], 3),
            guidance=conditioning.guidance,
            return_dict=False,
        )[0]
        return unpacked(out, latents.shape)


def packed(latents: torch.Tensor) -> torch.Tensor:
    """``[B, C, h, w]`` to tokens ``[B, h/2·w/2, 4C]``, row by row, each a channel's four neighbours after another's."""
    batch, channels, height, width = latents.shape
    cells = latents.reshape(batch, channels, height // 2, 2, width // 2, 2)
    return cells.permute(0, 2, 4, 1, 3, 5).reshape(batch, height * width // 4, 4 * channels)


def unpacked(tokens: torch.Tensor, shape: torch.Size) -> torch.Tensor:
    """The way back from `packed`, to latents of `shape`."""
    batch, channels, height, width = shape
    cells = tokens.reshape(batch, height // 2, width // 2, channels, 2, 2)
    return cells.permute(0, 3, 1, 4, 2, 5).reshape(shape)
