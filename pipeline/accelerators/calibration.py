"""Inputs of a network as a show has them, by which the ranges of its numbers in 8 bits are measured."""

from collections.abc import Iterator
from itertools import cycle, islice
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

import presets
from pipeline.accelerators.engines import Shapes
from pipeline.graphs import EncoderGraph, latent_normalisation
from pipeline.model_texts import conditioner_of
from pipeline.models import Model
from presets.frame_parameters import without_morph
from presets.parameters import Parameters, WeightedPrompt

ROWS = 24
"""Rows in all. Each is a picture of its own, at a time of its own."""

WEAKEST = 0.3
"""Least strength of a row. Rows begin at strengths from 1 down to it, and so at all times of a schedule."""

TEXTS = ("a red ring", "neon fire on black", "deep ocean waves", "white smoke", "")
"""Texts of the rows, in turn."""

PICTURES = Path(presets.__file__).parent / "looks" / "pictures"
"""Small pictures of the shipped presets."""

Rows = dict[str, NDArray[np.float32]]


@torch.no_grad()
def calibration_rows(model: Model, shapes: Shapes, count: int = ROWS, first: int = 0) -> Rows:
    """Return float32 ``[count, …]`` for each of ``shapes.row_inputs``, by name.

    Latents are those that frames enter with: an encoded picture and noise, as the model's own schedule mixes them.

    Args:
        model: The model. Its text encoder and its autoencoder are loaded.
        shapes: Shapes of its network.
        count: Number of rows.
        first: Place of the first row. Rows of different places differ in everything.
    """
    rows: dict[str, list[torch.Tensor]] = {name: [] for name in shapes.row_inputs}
    pictures = islice(_pictures(shapes.width, shapes.height), first, first + count)
    texts = _texts(model, first)
    encode = EncoderGraph(model.autoencoder).eval()
    for place, (picture, text) in enumerate(zip(pictures, texts, strict=False)):
        strength = 1.0 - (1.0 - WEAKEST) * place / max(1, count - 1)
        schedule = model.schedule(4, strength, (shapes.width, shapes.height))
        clean = encode(picture)[0]
        generator = torch.Generator().manual_seed(first + place)
        share, noise = schedule.entry
        latent = float(schedule.input_scale[0]) * (
            share * clean + noise * torch.randn(clean.shape, generator=generator)
        )
        seen = (latent, _source(model, clean)) if shapes.sees_source else (latent,)
        given: dict[str, Any] = text | {
            "latents": torch.cat(seen),
            "timesteps": torch.tensor(schedule.rows[0, :2] if shapes.second_time else schedule.rows[0, 0]),
            "guidance": torch.tensor(1.0 + 3.0 * (place % 2)),
        }
        given |= {name: torch.ones(numbers) for name, numbers in shapes.numbers}
        given |= {name: _tensor(shape, picture) for name, shape in shapes.tensors}
        for name, values in rows.items():
            values.append(given[name].float())
    return {name: torch.stack(values).numpy() for name, values in rows.items()}


def _texts(model: Model, first: int) -> Iterator[dict[str, torch.Tensor]]:
    """Yield the parts of `TEXTS` in turn, without end."""
    conditioner = conditioner_of(model)
    looks = (without_morph(Parameters(prompt=(WeightedPrompt(text=text),))) for text in TEXTS if text)
    parts = [conditioner.encode(look.wording).positive.parts() for look in looks]
    yield from islice(cycle(parts), first, None)


def _pictures(width: int, height: int) -> Iterator[torch.Tensor]:
    """Yield pictures as uint8 ``[1, H, W, 3]``, without end."""
    read = [cv2.imread(str(path)) for path in sorted(PICTURES.glob("*.jpg"))]
    for picture in cycle(each for each in read if each is not None):
        resized = cv2.resize(picture, (width, height), interpolation=cv2.INTER_AREA)
        yield torch.from_numpy(np.ascontiguousarray(resized[..., ::-1])).unsqueeze(0)


def _source(model: Model, clean: torch.Tensor) -> torch.Tensor:
    """Return the latent as the network sees its source (`pipeline.prepared_engines.PreparedEngines.source_of`)."""
    shift, scale = latent_normalisation(model.configurations["vae"])
    return clean / scale[0] + shift[0]


def _tensor(shape: tuple[int, ...], picture: torch.Tensor) -> torch.Tensor:
    """Return an extra input of this shape: the picture from 0 to 1 where it fits, otherwise zeros."""
    planes = picture[0].permute(2, 0, 1).float() / 255.0
    return planes if planes.shape == shape else torch.zeros(shape)
