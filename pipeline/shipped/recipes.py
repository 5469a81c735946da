"""Recipes: everything that a caption can ask for, chosen at random for training."""

from dataclasses import dataclass

import numpy as np

from pipeline.shipped.palettes import random_palette
from pipeline.shipped.scenes import MOTIFS
from pipeline.shipped.styles import OWN, STYLES
from pipeline.shipped.vocabulary import ADJECTIVE_WORDS, OPPOSITES


@dataclass(frozen=True)
class Recipe:
    """Description of one drawn picture. Together with the source it decides every pixel."""

    style: str | None = None
    """Name of a style. Without a style the source is only coloured."""
    second: str | None = None
    """Style that lends its colours, while `style` draws the light."""
    palette: str | None = None
    """Name of a palette, "own" for the colours of the source, or None for the natural colours of the style."""
    adjectives: tuple[str, ...] = ()
    motif: str | None = None
    """Name of a motif. Without one, ``structure`` below 1 mixes the motif of the style."""
    structure: float = 1.0
    """Share of the source, 0..1, in the picture that the style redraws. At 1 a named motif shows through with 0.45."""
    seed: int = 0
    """Seed of the motif. Styles have no randomness."""


def random_recipe(rng: np.random.Generator) -> Recipe:
    """Return a random recipe: 12 % have a motif, the others are those of `source_recipe`."""
    return motif_recipe(rng) if rng.random() < 0.12 else source_recipe(rng)


def source_recipe(rng: np.random.Generator) -> Recipe:
    """Return a random recipe that redraws a source.

    80 % have one style, 11 % two styles, and 9 % a palette or adjectives alone.
    """
    kind = rng.random()
    seed = int(rng.integers(2**31))
    if kind < 0.80:
        return Recipe(_style(rng), palette=_palette(rng, 0.58), adjectives=_adjectives(rng, 0.35), seed=seed)
    if kind < 0.91:
        first, second = (str(name) for name in rng.choice(list(STYLES), size=2, replace=False))
        return Recipe(first, second, _palette(rng, 0.35), _adjectives(rng, 0.2), seed=seed)
    if rng.random() < 0.2:
        return Recipe(adjectives=_adjectives(rng, 1.0), seed=seed)
    return Recipe(palette=random_palette(rng), adjectives=_adjectives(rng, 0.35), seed=seed)


def motif_recipe(rng: np.random.Generator) -> Recipe:
    """Return a random recipe with a motif, which 70 % draw without a source."""
    motif = str(rng.choice(list(MOTIFS))) if rng.random() < 0.85 else None
    style = _style(rng) if motif is None or rng.random() < 0.35 else None
    palette = _palette(rng, 0.6, own=False)
    share = rng.random()
    structure = 0.0 if share < 0.7 else (1.0 if share > 0.9 and motif is not None else float(rng.uniform(0.05, 0.95)))
    return Recipe(style, None, palette, _adjectives(rng, 0.3), motif, structure, int(rng.integers(2**31)))


def _style(rng: np.random.Generator) -> str:
    return str(rng.choice(list(STYLES)))


def _palette(rng: np.random.Generator, share: float, own: bool = True) -> str | None:
    if rng.random() < share:
        return random_palette(rng)
    return OWN if own and rng.random() < 0.15 else None


def _adjectives(rng: np.random.Generator, share: float) -> tuple[str, ...]:
    """Return one to three adjectives without opposites, or none with probability 1 − ``share``."""
    if rng.random() >= share:
        return ()
    count = 1 + int(rng.random() < 0.3) + int(rng.random() < 0.08)
    chosen: list[str] = []
    for name in (str(word) for word in rng.permutation(list(ADJECTIVE_WORDS))):
        if not any({name, other} == set(pair) for pair in OPPOSITES for other in chosen):
            chosen.append(name)
        if len(chosen) == count:
            break
    return tuple(chosen)
