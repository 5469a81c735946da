"""The three networks as graphs from tensors to tensors: the form that every accelerator runs or compiles, eager
included.

`precise` returns one in another precision; timesteps and guidance are float32 in each. `fold` gives the same functions
with less work (`pipeline.fold`); eager does not use it, because the others are compared with it. Conversion to and from
uint8 and the normalisation of latents are inside, so that a compiler can fuse them and every accelerator has the same
pixels.
"""

import copy
from collections.abc import Mapping
from typing import Any, TypeVar

import torch
from torch import nn

from pipeline.autoencoders import decoder_of, encoder_of
from pipeline.controlnet.controlled_unet import drawing_unet
from pipeline.denoiser import ConditioningRows
from pipeline.extra_inputs import extra_inputs_of
from pipeline.fold import folded_autoencoder, folded_unet

REVISION = 3
"""Part of the key of everything compiled from these graphs. Raise it with every change of one."""


class TimestepGraph(nn.Module):
    """Timesteps ``[B]`` to their sinusoidal projection ``[B, P]``.

    It is separate from the denoiser because it must not run in half precision: bfloat16 has one number for 750 and 753.
    """

    def __init__(self, unet: Any) -> None:
        super().__init__()
        self.time_proj = unet.time_proj

    def forward(self, timesteps: torch.Tensor) -> torch.Tensor:
        projected: torch.Tensor = self.time_proj(timesteps)
        return projected


class DenoiserGraph(nn.Module):
    """Latents ``[B, C, h, w]``, or ``[B, 2C, h, w]`` with the source beside them, projected timesteps ``[B, P]`` and
    embeds ``[B, L, D]`` to ``[B, C, h, w]``. Extra inputs of the network follow (`pipeline.extra_inputs`)."""

    def __init__(self, unet: Any, fold: bool = False) -> None:
        super().__init__()
        self.unet = folded_unet(unet) if fold else unet
        self.extra_inputs = extra_inputs_of(self.unet)

    def forward(
        self, latents: torch.Tensor, projected: torch.Tensor, embeds: torch.Tensor, *extra: torch.Tensor
    ) -> torch.Tensor:
        # diffusers projects timesteps inside its forward. Replacing that step is the smallest change.
        unet = drawing_unet(self.unet)
        unet.get_time_embed = lambda sample, timestep: timestep.to(sample.dtype)
        try:
            with self.extra_inputs.given(extra):
                out: torch.Tensor = self.unet(latents, projected, embeds, return_dict=False)[0]
        finally:
            del unet.get_time_embed
        return out


class StepGraph(nn.Module):
    """`DenoiserGraph` with its `TimestepGraph`: latents ``[B, C, h, w]``, float32 timesteps ``[B]`` and embeds ``[B, L,
    D]`` to ``[B, C, h, w]``. The output has the dtype of the latents, which may differ from the network's."""

    def __init__(self, unet: Any, fold: bool = False) -> None:
        super().__init__()
        self.project = TimestepGraph(unet)
        self.denoiser = DenoiserGraph(unet, fold)
        self.names = ("latents", "timesteps", "embeds", *self.denoiser.extra_inputs.names)
        """Inputs, in order."""

    def forward(
        self, latents: torch.Tensor, timesteps: torch.Tensor, embeds: torch.Tensor, *extra: torch.Tensor
    ) -> torch.Tensor:
        dtype = _dtype(self.denoiser)
        out: torch.Tensor = self.denoiser(latents.to(dtype), self.project(timesteps), embeds.to(dtype), *extra)
        return out.to(latents.dtype)


class FamilyGraph(nn.Module):
    """An adapter of `pipeline.families` as a function of the tensors in `names`, in that order.

    The output has the dtype of the latents, which may differ from the network's.
    """

    def __init__(self, adapter: Any, tokens: int) -> None:
        """`tokens` is the length of a text, by which the adapter tells which parts of a text it reads."""
        super().__init__()
        self.adapter = adapter
        shape = adapter.conditioning(tokens)
        parts = {"embeds": True, "mask": shape.masked, "pooled": shape.pooled is not None}
        self.names = ("latents", "timesteps", *(name for name, has in parts.items() if has))
        """Latents, timesteps and embeds, those of mask, pooled and guidance that the family has, and extra inputs."""
        if adapter.embedded_guidance:
            self.names += ("guidance",)
        self.extra_inputs = extra_inputs_of(adapter)
        self._own = self.names[2:]
        self.names += self.extra_inputs.names

    def forward(self, latents: torch.Tensor, timesteps: torch.Tensor, *conditioning: torch.Tensor) -> torch.Tensor:
        dtype = _dtype(self.adapter)
        own, extra = conditioning[: len(self._own)], conditioning[len(self._own) :]
        rows = {name: part if name == "guidance" else part.to(dtype) for name, part in zip(self._own, own, strict=True)}
        with self.extra_inputs.given(extra):
            out: torch.Tensor = self.adapter(latents.to(dtype), timesteps, ConditioningRows.of(rows))
        return out.to(latents.dtype)


class EncoderGraph(nn.Module):
    """Pixels uint8 ``[B, H, W, 3]`` to clean latents float32 ``[B, C, h, w]``, in the denoiser's normalisation."""

    shift: torch.Tensor
    scale: torch.Tensor

    def __init__(self, autoencoder: Any, fold: bool = False) -> None:
        super().__init__()
        self.encoder = folded_autoencoder(encoder_of(autoencoder)) if fold else encoder_of(autoencoder)
        shift, scale = latent_normalisation(autoencoder.config)
        self.register_buffer("shift", shift, persistent=False)
        self.register_buffer("scale", scale, persistent=False)

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        # To float first: TensorRT can't transpose bytes.
        picture = pixels.to(torch.float32).permute(0, 3, 1, 2) / 127.5 - 1.0
        latent: torch.Tensor = (self.encoder(picture.to(_dtype(self.encoder))) - self.shift) * self.scale
        return latent


class DecoderGraph(nn.Module):
    """Latents float32 ``[B, C, h, w]`` to pixels uint8 ``[B, H, W, 3]``, rounded to the nearest."""

    shift: torch.Tensor
    scale: torch.Tensor

    def __init__(self, autoencoder: Any, fold: bool = False) -> None:
        super().__init__()
        self.decoder = folded_autoencoder(decoder_of(autoencoder)) if fold else decoder_of(autoencoder)
        shift, scale = latent_normalisation(autoencoder.config)
        self.register_buffer("shift", shift, persistent=False)
        self.register_buffer("scale", scale, persistent=False)

    def forward(self, latent: torch.Tensor) -> torch.Tensor:
        picture = self.decoder((latent / self.scale + self.shift).to(_dtype(self.decoder))).to(torch.float32)
        levels = ((picture + 1.0) * 127.5).round().clamp(0.0, 255.0)
        pixels: torch.Tensor = levels.permute(0, 2, 3, 1).to(torch.uint8)
        return pixels


Graph = TypeVar("Graph", bound=nn.Module)

PRECISIONS = {"float32": torch.float32, "float16": torch.float16, "bfloat16": torch.bfloat16}
"""Types that the networks may be computed in."""


def precise(graph: Graph, precision: str) -> Graph:
    """Return a copy of a graph whose network has its weights in `precision`, a name of `PRECISIONS`.

    The normalisation of latents stays in float32.
    """
    graph = copy.deepcopy(graph)
    for network in graph.children():
        network.to(PRECISIONS[precision])
    return graph.eval().requires_grad_(False)


def _dtype(network: nn.Module) -> torch.dtype:
    """Return the dtype of a network's weights."""
    return next(network.parameters()).dtype


def latent_normalisation(config: Mapping[str, Any]) -> tuple[torch.Tensor, torch.Tensor]:
    """Return shift and scale of the latents, ``[1, C or 1, 1, 1]``: diffusers' factors, or those of each channel.

    A latent is ``(encoder's output − shift)·scale``.

    Args:
        config: Configuration of the autoencoder.
    """
    mean, std = config.get("latents_mean"), config.get("latents_std")
    if mean is not None and std is not None:
        return torch.tensor(mean).view(1, -1, 1, 1), 1.0 / torch.tensor(std).view(1, -1, 1, 1)
    return (
        torch.tensor(float(config.get("shift_factor") or 0.0)).view(1, 1, 1, 1),
        torch.tensor(float(config.get("scaling_factor") or 1.0)).view(1, 1, 1, 1),
    )
