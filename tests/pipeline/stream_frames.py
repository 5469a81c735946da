"""Frames of the stream, to compare with those of diffusers' pipelines (`family_pipelines`)."""

from collections.abc import Iterable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from tiny_folders import SIDE

from pipeline.image_stream import ImageStream
from pipeline.models import Model
from presets.build import Build
from presets.frame_parameters import FrameParameters

Frame = tuple[NDArray[np.uint8] | None, FrameParameters]
"""Source of a frame, or None, and its parameters."""


def eager_stream(model: Model, **build: Any) -> ImageStream:
    """Return a stream of a model with three slots, for pictures of `SIDE` pixels. `build` has its adapters."""
    size = {"width": SIDE, "height": SIDE, "accelerator": "eager", "slots": 3, "threads": 1}
    return ImageStream.build(Build(model=str(model.folder), **size, **build), lambda text, fraction: None)


def draw(images: ImageStream, frames: Iterable[Frame]) -> list[torch.Tensor]:
    """Draw frames from their sources, several in flight together, and return their latents ``[1, C, h, w]``."""
    stream, out, waiting = images.prepared.stream, list[torch.Tensor](), list(frames)
    while waiting or stream.in_flight:
        if waiting and stream.free:
            pixels, moment = waiting.pop(0)
            images.admit(pixels, moment, images.encode(moment.wording))
        out += [latent[None].clone() for latent, _ in stream.step()]
    return out
