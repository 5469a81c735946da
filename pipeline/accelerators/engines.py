"""What every accelerator makes of a model: a denoiser, an encoder and a decoder, with what they run on."""

from collections.abc import Callable
from dataclasses import dataclass

import torch

from pipeline.denoiser import Denoiser

Progress = Callable[[str, float], None]
"""Told what is being done and the fraction of it that is behind, 0 to 1."""


@dataclass(frozen=True)
class Engines:
    """A model made ready for one picture size. Tensors that an engine answers with are valid until its next call."""

    denoiser: Denoiser
    encode: Callable[[torch.Tensor], torch.Tensor]
    """uint8 ``[1, H, W, 3]`` on the CPU to a clean latent ``[1, C, h, w]`` on the device."""
    decode: Callable[[torch.Tensor], torch.Tensor]
    """A latent ``[1, C, h, w]`` on the device to uint8 ``[1, H, W, 3]`` on the CPU."""
    sizes: tuple[int, ...]
    """The prepared batch sizes of the denoiser."""
    device: torch.device
    precision: str
    """What the networks are computed in; the stream itself is float32."""


@dataclass(frozen=True)
class Shapes:
    """What the engines are made for."""

    width: int
    """px"""
    height: int
    """px"""
    latent: tuple[int, int, int]
    """``(C, h, w)``"""
    embeds: tuple[int, int]
    """``(L, D)``"""
    rows: int
    """The most rows the denoiser is ever called with."""
