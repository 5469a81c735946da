"""What every accelerator makes of a model: a denoiser, an encoder and a decoder, with what they run on."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from pipeline.denoiser import ConditioningRows, Denoiser
from pipeline.graph_capture import Recorder
from presets.errors import StreamError

Progress = Callable[[str, float], None]
"""Told what is being done and the fraction of it that is behind, 0 to 1."""

Together = Callable[[Sequence[Callable[[], Any]]], Iterator[Any]]
"""Begins pieces of work, as many at once as it likes, and yields their answers in order, each when it is wanted."""


def one_after_another(work: Sequence[Callable[[], Any]]) -> Iterator[Any]:
    """The `Together` of a program with one thread."""
    return (piece() for piece in work)


@dataclass(frozen=True)
class Preparation:
    """How a model is made ready."""

    progress: Progress
    threads: int | None = None
    """Of the network at play; None takes one a physical core."""
    cache: Path | None = None
    """Where converted networks are kept; None takes the user's cache folder."""
    attention: str = "sdpa"
    """What computes attention, one of `pipeline.accelerators.attention.NAMES`, where torch runs the network."""
    precision: str = ""
    """float32, float16 or bfloat16, where one is asked for; empty leaves the choice to the accelerator."""
    engine: Path | None = None
    """A network that others compiled, to be played in the place of the model's own, which is then left out."""
    together: Together = one_after_another
    """Does the work that can be done at once."""
    meanwhile: Callable[[], None] = lambda: None
    """Called once, while that work goes on; for what else there is to do."""


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
    begin_decode: Callable[[torch.Tensor], Callable[[], torch.Tensor]] | None = None
    """Begins `decode` of a latent, which may be written over at once, and answers what waits for its pixels: where the
    network's next call goes on meanwhile. As many may be begun and not waited for as the denoiser has rows."""
    recorder: Recorder | None = None
    """Records whole steps around the denoiser, network and all (`pipeline.graph_capture`)."""
    forward: str = "one call a step"
    """How the denoiser is called; a network that takes one timestep for all rows can't do it in one."""


def left_out(latents: torch.Tensor, timesteps: torch.Tensor, conditioning: ConditioningRows) -> torch.Tensor:
    """The denoiser of engines that were made without one."""
    raise StreamError("These engines were made without a denoiser; another network was to take its place.")


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
