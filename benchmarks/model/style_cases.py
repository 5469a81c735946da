"""Pictures to draw: held-out sources, styles and palettes, captions in word orders that are kept from training."""

from collections.abc import Iterable, Mapping
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from benchmarks.paper.image_metrics import psnr
from io_bridges.frames import Pixels
from pipeline.shipped.draw import draw_style
from pipeline.shipped.palettes import PALETTES
from pipeline.shipped.prompts import caption_for
from pipeline.shipped.recipes import Recipe
from pipeline.shipped.styles import STYLES
from pipeline.shipped.vocabulary import MOTIF_WORDS

MOTIFS = tuple(MOTIF_WORDS)
"""Names of the motifs that are drawn without a source."""
SEED = 731
"""First word of every seed here. Training uses other seeds."""


class StyleCase:
    """One picture to draw, and its drawn original."""

    def __init__(self, source_name: str, source: Pixels, recipe: Recipe, seed: int) -> None:
        self.source_name = source_name
        self.source = source
        self.recipe = recipe
        self.seed = seed
        """Seed of the noise."""
        self.prompt = caption_for(recipe, np.random.default_rng((SEED, seed)), held_out=True)

    @property
    def style(self) -> str:
        """Name of the style."""
        return str(self.recipe.style)

    @property
    def keeps_edges(self) -> bool:
        """True if edges of the source are edges of the drawn picture."""
        return STYLES[self.style].keeps_edges

    @cached_property
    def drawn(self) -> Pixels:
        """Source in the drawn style: the picture that the model has learned to draw."""
        return draw_style(self.source, self.recipe)


def style_cases(
    sources: Mapping[str, Pixels], styles: Iterable[str] = tuple(STYLES), shift: int = 0
) -> list[StyleCase]:
    """Return every style on every source, sorted by style.

    Palettes take turns, so that each one occurs about equally often. Another `shift` gives every case another palette.
    """
    order = np.random.default_rng(SEED).permutation(list(PALETTES))
    return [
        StyleCase(name, source, Recipe(style, palette=_turn(order, seed + shift)), seed)
        for seed, (style, name, source) in enumerate(
            (style, name, source) for style in styles for name, source in sources.items()
        )
    ]


def clip_cases(clip: Iterable[Pixels], style: str) -> list[StyleCase]:
    """Return the frames of a clip in one style, with one palette, one caption and one seed."""
    number = list(STYLES).index(style)
    order = np.random.default_rng(SEED).permutation(list(PALETTES))
    recipe = Recipe(style, palette=_turn(order, number))
    return [StyleCase("clip", frame, recipe, number) for frame in clip]


def motif_recipes() -> list[Recipe]:
    """Return every motif with a palette and without a source."""
    order = np.random.default_rng(SEED).permutation(list(PALETTES))
    return [
        Recipe(motif=motif, palette=_turn(order, number), structure=0.0, seed=number)
        for number, motif in enumerate(MOTIFS)
    ]


def motif_prompts() -> list[str]:
    """Return the captions of `motif_recipes`, in word orders that the model is not trained on."""
    return [caption_for(recipe, np.random.default_rng((SEED, recipe.seed)), True) for recipe in motif_recipes()]


def psnr_figures(pictures: Iterable[Pixels], originals: Iterable[Pixels]) -> dict[str, float | int]:
    """Return the mean and the lowest PSNR of pictures against their originals, as rows have them."""
    found = [psnr(one, other) for one, other in zip(pictures, originals, strict=True)]
    return {"psnr_db": float(np.mean(found)), "psnr_worst_db": min(found), "pictures": len(found)}


def _turn(order: NDArray[np.str_], number: int) -> str:
    return str(order[number % len(order)])
