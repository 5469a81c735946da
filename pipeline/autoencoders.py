"""Autoencoders of diffusers: their geometry by configuration, and encoder and decoder as functions of one tensor."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import torch
from torch import nn
from torch.nn import functional

from presets.errors import ModelError

AUTOENCODERS = (
    "AutoencoderTiny",
    "AutoencoderDC",
    "AutoencoderKL",
    "AutoencoderKLFlux2",
    "AutoencoderKLHunyuanImage",
)
"""Supported classes."""

LATENT_CHANNELS = 4
"""Channels of a latent where the configuration does not say, diffusers' default."""

PATCH = 2
"""Side of the patches that FLUX.2's latents are made of."""

_STAGES = {
    "AutoencoderTiny": "decoder_block_out_channels",
    "AutoencoderDC": "decoder_block_out_channels",
    "AutoencoderKL": "block_out_channels",
    "AutoencoderKLFlux2": "block_out_channels",
    "AutoencoderKLHunyuanImage": "block_out_channels",
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
    geometry = LatentGeometry(channels, int(2 ** (len(stages) - 1)))
    if name == "AutoencoderKLHunyuanImage" and config.get("spatial_compression_ratio") != geometry.factor:
        raise ModelError(
            f"The config.json of the vae has spatial_compression_ratio={config.get('spatial_compression_ratio')!r} and"
            f" {len(stages)} sizes, each half of the one before; the ratio must be {geometry.factor}."
        )
    if name != "AutoencoderKLFlux2":
        return geometry
    if (patch := config.get("patch_size", [PATCH, PATCH])) != [PATCH, PATCH]:
        raise ModelError(f"The config.json of the vae has patch_size={patch!r}; this version supports [2, 2].")
    return LatentGeometry(geometry.channels * PATCH**2, geometry.factor * PATCH)


class MeanEncoder(nn.Module):
    """Encoder of an ``AutoencoderKL`` or one like it: pixels to the mean of the latent's distribution.

    A sample of the distribution would add noise that differs from picture to picture.
    """

    def __init__(self, autoencoder: Any) -> None:
        super().__init__()
        self.encoder = autoencoder.encoder
        self.quant_conv = getattr(autoencoder, "quant_conv", None)

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


class PatchEncoder(nn.Module):
    """Encoder of an ``AutoencoderKLFlux2``: pixels to the mean latent in patches of 2 × 2, normalised.

    The mean and the variance of each channel of a patch are weights of the autoencoder, not settings.
    """

    def __init__(self, autoencoder: Any) -> None:
        super().__init__()
        self.mean, self.bn = MeanEncoder(autoencoder), autoencoder.bn

    def forward(self, picture: torch.Tensor) -> torch.Tensor:
        normalised: torch.Tensor = self.bn(functional.pixel_unshuffle(self.mean(picture), PATCH))
        return normalised


class PatchDecoder(nn.Module):
    """Decoder of an ``AutoencoderKLFlux2``: the latent of a `PatchEncoder` to pixels."""

    def __init__(self, autoencoder: Any) -> None:
        super().__init__()
        self.bn, self.whole = autoencoder.bn, KlDecoder(autoencoder)

    def forward(self, latent: torch.Tensor) -> torch.Tensor:
        mean, deviation = (
            each.view(1, -1, 1, 1) for each in (self.bn.running_mean, (self.bn.running_var + self.bn.eps).sqrt())
        )
        picture: torch.Tensor = self.whole(functional.pixel_shuffle(latent * deviation + mean, PATCH))
        return picture


_ENCODERS = {
    "AutoencoderKL": MeanEncoder,
    "AutoencoderKLFlux2": PatchEncoder,
    "AutoencoderKLHunyuanImage": MeanEncoder,
}
_DECODERS = {"AutoencoderKL": KlDecoder, "AutoencoderKLFlux2": PatchDecoder}


def encoder_of(autoencoder: Any) -> Any:
    """Return the encoder of an autoencoder as a module from pixels ``[B, 3, H, W]`` to latents ``[B, C, h, w]``."""
    module = _ENCODERS.get(type(autoencoder).__name__)
    return autoencoder.encoder if module is None else module(autoencoder)


def decoder_of(autoencoder: Any) -> Any:
    """Return the decoder of an autoencoder as a module from latents ``[B, C, h, w]`` to pixels ``[B, 3, H, W]``."""
    module = _DECODERS.get(type(autoencoder).__name__)
    return autoencoder.decoder if module is None else module(autoencoder)
