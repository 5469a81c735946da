"""What every contender is: something that takes a picture and a seed, and sooner or later gives a picture back."""

from typing import Any, NamedTuple, Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from presets.parameters import Parameters

Pixels = NDArray[np.uint8]
"""RGB ``[H, W, 3]``."""


class ContenderConfig(NamedTuple):
    """What all contenders of one comparison have in common, as the bench asks for it."""

    model: str
    """'shipped', or a folder in diffusers format."""
    width: int
    """px"""
    height: int
    """px"""
    precision: str
    """float32, float16 or bfloat16."""
    most_steps: int
    """The most steps that a look will have."""
    full_autoencoder: bool = False
    """Whether pixels go through Stable Diffusion's own autoencoder, with random weights, and not the model's."""
    cache: str | None = None
    """Folder of converted networks; None takes the user's."""


class Contender(Protocol):
    """A contender. Pictures go in and come out as uint8 in main memory, whoever draws them."""

    description: dict[str, Any]
    """What the rows say of it: precision, device, accelerator where it has one, and what else is to be said."""
    device: torch.device

    def begin(self, look: Parameters) -> None:
        """Drops what is in flight; pictures from now on are drawn with this look. Texts are encoded here, uncounted."""
        ...

    def draw(self, source: Pixels, seed: int) -> list[Pixels]:
        """Takes one picture (in text mode the seed alone counts); answers those that are done."""
        ...


def as_picture(pixels: torch.Tensor) -> Pixels:
    """``[1, 3, H, W]`` from 0 to 1 as a picture in main memory; this is where a GPU is waited for."""
    levels = (pixels[0].float() * 255).round().clamp(0, 255).to(torch.uint8).permute(1, 2, 0)
    picture: Pixels = levels.cpu().numpy()
    return picture


def as_tensor(picture: Pixels, device: torch.device, dtype: torch.dtype) -> torch.Tensor:
    """The reverse; converted on the device."""
    on_device = torch.from_numpy(picture).to(device)
    return on_device.permute(2, 0, 1)[None].to(dtype) / 255
