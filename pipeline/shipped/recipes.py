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
    """Name of a motif. Without one, ``structure`` below 1 mixes a motif chosen by ``seed``."""
    structure: float = 1.0
    """Share of the source, 0..1, in the picture that the style redraws. At 1 a named motif shows through with 0.45."""
    seed: int = 0
    """Seed of the motif. Styles have no randomness."""


def random_recipe(rng: np.random.Generator) -> Recipe:
    """Return a random recipe.

    70 % have one style, 10 % two styles, 8 % a palette or adjectives alone, and 12 % a motif.
    """
    kind = rng.random()
    seed = int(rng.integers(2**31))
    if kind < 0.70:
        return Recipe(_style(rng), palette=_palette(rng, 0.58), adjectives=_adjectives(rng, 0.35), seed=seed)
    if kind < 0.80:
        first, second = (str(name) for name in rng.choice(list(STYLES), size=2, replace=False))
        return Recipe(first, second, _palette(rng, 0.35), _adjectives(rng, 0.2), seed=seed)
    if kind < 0.88:
        if rng.random() < 0.2:
            return Recipe(adjectives=_adjectives(rng, 1.0), seed=seed)
        return Recipe(palette=random_palette(rng), adjectives=_adjectives(rng, 0.35), seed=seed)
    return _with_motif(rng, seed)


def _with_motif(rng: np.random.Generator, seed: int) -> Recipe:
    motif = str(rng.choice(list(MOTIFS))) if rng.random() < 0.8 else None
    style = _style(rng) if motif is None or rng.random() < 0.45 else None
    palette = _palette(rng, 0.7, own=False)
    share = rng.random()
    structure = 0.0 if share < 0.6 else (1.0 if share > 0.88 and motif is not None else float(rng.uniform(0.05, 0.95)))
    return Recipe(style, None, palette, _adjectives(rng, 0.35), motif, structure, seed)


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
