"""Autoencoders of diffusers: their geometry by configuration, and encoder and decoder as functions of one tensor."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import torch
from torch import nn

from presets.errors import ModelError

AUTOENCODERS = ("AutoencoderTiny", "AutoencoderDC", "AutoencoderKL")
"""Supported classes."""

LATENT_CHANNELS = 4
"""Channels of a latent where the configuration does not say, diffusers' default."""

_STAGES = {
    "AutoencoderTiny": "decoder_block_out_channels",
    "AutoencoderDC": "decoder_block_out_channels",
    "AutoencoderKL": "block_out_channels",
}
"""Setting that has one value for each size of an autoencoder. Each size is half of the one before."""


class LatentGeometry(NamedTuple):
    """Geometry of an autoencoder's latents."""

    channels: int
    factor: int
    """Pixels along a side of one latent pixel, diffusers' ``vae_scale_factor``."""


def latent_geometry(name: str, config: Mapping[str, Any]) -> LatentGeometry:
    """Return the geometry of an autoencoder.

    Args:
        name: Its class, one of `AUTOENCODERS`.
        config: Its ``config.json``.

    Raises:
        ModelError: a setting is missing or no whole number.
    """
    channels, stages = config.get("latent_channels", LATENT_CHANNELS), config.get(_STAGES[name])
    if not isinstance(channels, int) or not isinstance(stages, list) or not stages:
        raise ModelError(
            f"The config.json of the vae has latent_channels={channels!r} and {_STAGES[name]}={stages!r}; they must be"
            " a whole number and a list."
        )
    return LatentGeometry(channels, int(2 ** (len(stages) - 1)))


class MeanEncoder(nn.Module):
    """Encoder of an ``AutoencoderKL``: pixels to the mean of the latent's distribution.

    A sample of the distribution would add noise that differs from picture to picture.
    """

    def __init__(self, autoencoder: Any) -> None:
        super().__init__()
        self.encoder = autoencoder.encoder
        self.quant_conv = autoencoder.quant_conv

    def forward(self, picture: torch.Tensor) -> torch.Tensor:
        moments = self.encoder(picture)
        if self.quant_conv is not None:
            moments = self.quant_conv(moments)
        mean: torch.Tensor = moments.chunk(2, dim=1)[0]
        return mean


class KlDecoder(nn.Module):
    """Decoder of an ``AutoencoderKL``: a latent to pixels."""

    def __init__(self, autoencoder: Any) -> None:
        super().__init__()
        self.post_quant_conv = autoencoder.post_quant_conv
        self.decoder = autoencoder.decoder

    def forward(self, latent: torch.Tensor) -> torch.Tensor:
        if self.post_quant_conv is not None:
            latent = self.post_quant_conv(latent)
        picture: torch.Tensor = self.decoder(latent)
        return picture


def encoder_of(autoencoder: Any) -> Any:
    """Return the encoder of an autoencoder as a module from pixels ``[B, 3, H, W]`` to latents ``[B, C, h, w]``."""
    return MeanEncoder(autoencoder) if type(autoencoder).__name__ == "AutoencoderKL" else autoencoder.encoder


def decoder_of(autoencoder: Any) -> Any:
    """Return the decoder of an autoencoder as a module from latents ``[B, C, h, w]`` to pixels ``[B, 3, H, W]``."""
    return KlDecoder(autoencoder) if type(autoencoder).__name__ == "AutoencoderKL" else autoencoder.decoder
