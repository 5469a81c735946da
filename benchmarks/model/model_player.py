"""A model that redraws pictures as a show does: an `ImageStream` at one size, driven by the offline renderer."""

from collections.abc import Iterable, Sequence
from itertools import repeat
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch

from benchmarks.model.style_cases import StyleCase
from daemon.commands.offline_render import redraw
from daemon.shared.threads import run_in_threads
from io_bridges.frames import Pixels
from pipeline.image_stream import ImageStream
from presets.build import Build
from presets.frame_parameters import without_morph
from presets.parameters import Parameters


class PlayedModel(NamedTuple):
    """Model, size and accelerator to play."""

    model: str
    """'shipped', or a folder in diffusers format."""
    size: int
    """Side of a picture in px."""
    accelerator: str = "auto"
    precision: str = ""
    """float32, float16, bfloat16, or empty for the accelerator's own choice."""
    cache: str | None = None
    """Folder of converted networks. None means the user's cache folder."""


class ModelPlayer:
    """Pictures of one model on one accelerator. All parameters but those that are named have their defaults."""

    def __init__(self, played: PlayedModel) -> None:
        """Load and prepare the model. Raise what `ImageStream.build` raises."""
        self.size = played.size
        size = {"width": played.size, "height": played.size}
        parameters = Parameters.model_validate({"model": played.model, "accelerator": played.accelerator} | size)
        build = Build.of(parameters).model_copy(update={"precision": played.precision or "auto"})
        if played.cache:
            build = build.model_copy(update={"cache": Path(played.cache)})
        self.stream = ImageStream.build(build, lambda text, fraction: None, run_in_threads)

    def draw(self, cases: Sequence[StyleCase], **parameters: Any) -> list[Pixels]:
        """Return the pictures of the cases, several in flight. `parameters` replace defaults, such as ``steps=1``."""
        looks = [look(case.prompt, case.seed, **parameters) for case in cases]
        return self.draw_looks([case.source for case in cases], looks)

    def draw_motifs(self, prompts: Sequence[str], **parameters: Any) -> list[Pixels]:
        """Return the pictures of prompts in text mode, without a source."""
        looks = [look(prompt, seed, mode="text", **parameters) for seed, prompt in enumerate(prompts)]
        return self.draw_looks(repeat(np.zeros((self.size, self.size, 3), np.uint8), len(looks)), looks)

    def draw_looks(self, sources: Iterable[Pixels], looks: Sequence[Parameters]) -> list[Pixels]:
        """Return one picture for each source, drawn with the parameters at its place."""
        self.stream.clear()
        return list(redraw(self.stream, sources, map(without_morph, looks), lambda: None))

    def round_trip(self, pictures: Sequence[Pixels]) -> list[Pixels]:
        """Return the pictures after the autoencoder that plays, encoded and decoded."""
        engines = self.stream.prepared.engines
        returned = []
        for picture in pictures:
            latent = engines.encode(torch.from_numpy(picture.copy())[None])
            returned.append(engines.decode(latent)[0].numpy().copy())
        return returned

    def draw_still(self, case: StyleCase, count: int) -> list[Pixels]:
        """Return `count` consecutive pictures of one case, whose source and seed stay as they are."""
        return self.draw_looks(repeat(case.source, count), [look(case.prompt, case.seed)] * count)

    @property
    def description(self) -> dict[str, str]:
        """Accelerator, precision and device, as rows have them."""
        return {key: self.stream.description[key] for key in ("accelerator", "precision", "device")}


def look(prompt: str, seed: int, **parameters: Any) -> Parameters:
    """Return the default parameters with a prompt, a seed and any others in place of theirs."""
    return Parameters.model_validate({"prompt": prompt, "seed": seed} | parameters)
