"""Training pairs: a source, the same source in a drawn style, and its recipe. Made in shards and cached on disk."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pipeline.shipped.configuration import SHAPE, TrainingPlan
from pipeline.shipped.crops import random_crop
from pipeline.shipped.draw import draw_style
from pipeline.shipped.recipes import Recipe, motif_recipe, source_recipe
from pipeline.shipped.scenes import Image

CROP = 128
"""Side of a crop in pixels."""

_DRAWING = (
    "camera_images", "canvas", "cells", "crops", "draw", "motifs_geometric", "motifs_organic", "palettes",
    "picture", "recipes", "scenes", "source_pictures", "styles", "styles_cells", "styles_lines", "styles_matter",
    "styles_paint", "styles_screens",
)  # fmt: skip
"""Modules that decide what a pair looks like."""

_IDENTITY_SHARE = 0.03
"""Share of pairs whose prompt is empty and whose target is the source itself."""


@dataclass(frozen=True)
class Shard:
    """Pictures of one shard. All have one size."""

    sources: NDArray[np.uint8]
    """``[N, size, size, 3]``."""
    targets: NDArray[np.uint8]
    """``[N, size, size, 3]``."""
    recipes: list[Recipe | None]
    """Recipe of each target. None is the empty prompt, for which the target is the source."""
    composed: bool = False
    """True if the targets are compositions, which training must not crop."""

    @property
    def size(self) -> int:
        """Side of the pictures in pixels."""
        return int(self.sources.shape[1])


def recipes_of_shard(plan: TrainingPlan, index: int) -> list[Recipe | None]:
    """Return the recipes of shard `index`, without its pictures."""
    rng = np.random.default_rng([plan.seed, index])
    count = plan.shard_pairs // 4 if is_whole(index) else plan.shard_pairs
    if is_composed(index):
        return [motif_recipe(rng) for _ in range(count)]
    return [None if rng.random() < _IDENTITY_SHARE else source_recipe(rng) for _ in range(count)]


def is_composed(index: int) -> bool:
    """Return True if shard `index` has motifs, which are never cropped, in place of sources in a style."""
    return index % 4 in (2, 3)


def is_whole(index: int) -> bool:
    """Return True if the pictures of shard `index` have the model's whole size in place of `CROP`."""
    return index % 4 in (1, 3)


@lru_cache(maxsize=1)
def drawing_key() -> str:
    """Return a hash of the code that draws, so that no pair of older code is read from a cache."""
    digest = hashlib.sha256()
    for name in _DRAWING:
        path = Path(__file__).with_name(f"{name}.py")
        digest.update(path.read_bytes())
    return digest.hexdigest()[:12]


class PairMaker:
    """Shards of one plan, drawn from source pictures and cached in a folder."""

    def __init__(self, plan: TrainingPlan, folder: Path, pictures: list[Image]) -> None:
        self._plan, self._folder, self._pictures = plan, folder, pictures

    def shard(self, index: int) -> Shard:
        """Return shard `index` from its cache file, which is written if it is missing."""
        name = f"pairs-{drawing_key()}-{len(self._pictures)}-{self._plan.seed}-{self._plan.shard_pairs}-{index}.npz"
        path = self._folder / name
        if not path.exists():
            shard = self.draw(index)
            temporary = path.with_suffix(".part.npz")
            np.savez(temporary, sources=shard.sources, targets=shard.targets)
            temporary.replace(path)
            return shard
        with np.load(path) as file:
            return Shard(file["sources"], file["targets"], recipes_of_shard(self._plan, index), is_composed(index))

    def draw(self, index: int) -> Shard:
        """Return shard `index`. Equal plans, pictures and indices give equal shards."""
        cv2.setNumThreads(1)
        recipes = recipes_of_shard(self._plan, index)
        size = SHAPE.image_size if is_whole(index) else CROP
        rng = np.random.default_rng([self._plan.seed, index, 1])
        sources = np.empty((len(recipes), size, size, 3), dtype=np.uint8)
        targets = np.empty_like(sources)
        for place, recipe in enumerate(recipes):
            sources[place] = random_crop(self._pictures, rng, size)
            targets[place] = sources[place] if recipe is None else draw_style(sources[place], recipe)
        return Shard(sources, targets, recipes, is_composed(index))


def to_tensor(images: NDArray[np.uint8]) -> Tensor:
    """Return uint8 images ``[B, H, W, 3]`` as float32 ``[B, 3, H, W]`` in [-1, 1]."""
    return torch.from_numpy(np.array(images)).permute(0, 3, 1, 2).float().div_(127.5).sub_(1)


def shard_batches(count: int, batch: int, rng: np.random.Generator) -> Iterator[NDArray[np.int64]]:
    """Yield random index batches of one pass over `count` pairs, without an incomplete one at the end."""
    order = rng.permutation(count)
    for start in range(0, count - batch + 1, batch):
        yield order[start : start + batch]
