"""The three networks as graphs from tensors to tensors: what every accelerator runs or compiles, eager included.

`fold` gives the same functions at less work (`pipeline.fold`); eager does without, since the rest is held against it.
Conversion to and from uint8 and the latents' normalisation are inside, so that a compiler fuses them and every
accelerator means the same by a pixel.
"""

from typing import Any

import torch
from torch import nn

from pipeline.fold import folded_autoencoder, folded_unet

REVISION = 2
"""Part of the key of everything compiled from these graphs: raise it when one of them changes."""


class TimestepGraph(nn.Module):
    """Timesteps ``[B]`` to their sinusoidal projection ``[B, P]``.

    It stands apart from the denoiser because it may not be run in half precision: bfloat16 has 750 and 753 in one.
    """

    def __init__(self, unet: Any) -> None:
        super().__init__()
        self.time_proj = unet.time_proj

    def forward(self, timesteps: torch.Tensor) -> torch.Tensor:
        projected: torch.Tensor = self.time_proj(timesteps)
        return projected


class DenoiserGraph(nn.Module):
    """Latents ``[B, C, h, w]``, projected timesteps ``[B, P]`` and embeds ``[B, L, D]`` to ``[B, C, h, w]``."""

    def __init__(self, unet: Any, fold: bool = False) -> None:
        super().__init__()
        self.unet = folded_unet(unet) if fold else unet

    def forward(self, latents: torch.Tensor, projected: torch.Tensor, embeds: torch.Tensor) -> torch.Tensor:
        # diffusers projects the timesteps inside; handing it what is projected already is the smallest change.
        self.unet.get_time_embed = lambda sample, timestep: timestep.to(sample.dtype)
        try:
            out: torch.Tensor = self.unet(latents, projected, embeds, return_dict=False)[0]
        finally:
            del self.unet.get_time_embed
        return out


class EncoderGraph(nn.Module):
    """Pixels uint8 ``[1, H, W, 3]`` to a clean latent ``[1, C, h, w]`` as the denoiser was trained on it."""

    shift: torch.Tensor
    scale: torch.Tensor

    def __init__(self, autoencoder: Any, fold: bool = False) -> None:
        super().__init__()
        self.encoder = folded_autoencoder(autoencoder.encoder) if fold else autoencoder.encoder
        shift, scale = _normalisation(autoencoder)
        self.register_buffer("shift", shift, persistent=False)
        self.register_buffer("scale", scale, persistent=False)

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        picture = pixels.permute(0, 3, 1, 2).to(torch.float32) / 127.5 - 1.0
        latent: torch.Tensor = (self.encoder(picture) - self.shift) * self.scale
        return latent


class DecoderGraph(nn.Module):
    """A latent ``[1, C, h, w]`` to pixels uint8 ``[1, H, W, 3]``, rounded to the nearest."""

    shift: torch.Tensor
    scale: torch.Tensor

    def __init__(self, autoencoder: Any, fold: bool = False) -> None:
        super().__init__()
        self.decoder = folded_autoencoder(autoencoder.decoder) if fold else autoencoder.decoder
        shift, scale = _normalisation(autoencoder)
        self.register_buffer("shift", shift, persistent=False)
        self.register_buffer("scale", scale, persistent=False)

    def forward(self, latent: torch.Tensor) -> torch.Tensor:
        picture = self.decoder(latent / self.scale + self.shift)
        levels = ((picture + 1.0) * 127.5).round().clamp(0.0, 255.0)
        pixels: torch.Tensor = levels.permute(0, 2, 3, 1).to(torch.uint8)
        return pixels


def _normalisation(autoencoder: Any) -> tuple[torch.Tensor, torch.Tensor]:
    """Shift and scale of the latents, ``[1, C or 1, 1, 1]``: diffusers' factors, or statistics of each channel."""
    config = autoencoder.config
    mean, std = config.get("latents_mean"), config.get("latents_std")
    if mean is not None and std is not None:
        return torch.tensor(mean).view(1, -1, 1, 1), 1.0 / torch.tensor(std).view(1, -1, 1, 1)
    return (
        torch.tensor(float(config.get("shift_factor") or 0.0)).view(1, 1, 1, 1),
        torch.tensor(float(config.get("scaling_factor") or 1.0)).view(1, 1, 1, 1),
    )
