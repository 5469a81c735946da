"""Latents that a network sees where a picture has no source: zeros, or the coordinates of each place."""

import math
from pathlib import Path

import torch
from torch import Tensor

from pipeline.model_files import read_json
from presets.errors import ModelError

KEY = "empty_source"
"""Key of ``model_index.json`` that names the kind. Without it the network sees zeros, as InstructPix2Pix does."""
COORDINATES = "coordinates"

_ALONG = (0.5, 2.0, 4.0)
"""Half turns of the waves along x and y, from the middle of the picture to the border of its longer side."""
_OUTWARD = (1.0, 2.0, 4.0)
"""Half turns of the waves along the radius, over the same way."""
_AROUND = (1.0, 2.0, 3.0)
"""Turns of the waves around the middle."""


def reads_coordinates(folder: Path) -> bool:
    """Return True if the index of a model folder asks for `coordinates`, False for zeros.

    Raises:
        ModelError: the index asks for something else.
    """
    path = folder / "model_index.json"
    kind = read_json(path).get(KEY)
    if kind not in (None, COORDINATES):
        raise ModelError(f"{path}: {KEY} must be {COORDINATES!r} or left out, not {str(kind)[:80]!r}")
    return kind == COORDINATES


def empty_source(folder: Path, shape: tuple[int, int, int]) -> Tensor | None:
    """Return what the network of a model folder sees in place of a source, float32 ``[C, h, w]``; None for zeros."""
    return coordinates(*shape) if reads_coordinates(folder) else None


def coordinates(channels: int, height: int, width: int) -> Tensor:
    """Return the coordinates of each place as waves, float32 ``[channels, height, width]``.

    A convolutional network that starts from noise can't tell one place from another, except near borders. Sines and
    cosines of its coordinates (Mildenhall et al. 2020), Cartesian and polar, tell it. The longer side reaches from −1
    to 1, so a picture of another size has the same composition, and one of another shape a part of it.
    """
    longer = max(height, width)
    x = ((torch.arange(width) + 0.5) * 2 - width) / longer
    y = ((torch.arange(height) + 0.5) * 2 - height) / longer
    down, across = torch.meshgrid(y, x, indexing="ij")
    phases = [math.pi * turns * place for turns in _ALONG for place in (across, down)]
    phases += [math.pi * turns * torch.hypot(across, down) for turns in _OUTWARD]
    phases += [turns * torch.atan2(down, across) for turns in _AROUND]
    waves = [wave(phase) for phase in phases for wave in (torch.sin, torch.cos)]
    return torch.stack([waves[channel % len(waves)] for channel in range(channels)])
