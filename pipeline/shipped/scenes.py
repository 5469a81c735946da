"""Scenes, which are everything that a caption can describe, and their images. Drawing is deterministic."""

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.shipped import motifs_geometric as geometric
from pipeline.shipped import motifs_organic as organic
from pipeline.shipped.canvas import Canvas, Field, blur, clamp, normalize, place_canvas
from pipeline.shipped.palettes import POSITIONAL, palette_table, random_palette

Image = NDArray[np.uint8]
"""RGB pixels, uint8 ``[size, size, 3]``."""

MOTIFS: dict[str, Callable[[Canvas], Field]] = {
    "tunnel": geometric.tunnel,
    "rings": geometric.rings,
    "plasma": organic.plasma,
    "cells": organic.cells,
    "flames": organic.flames,
    "stars": organic.stars,
    "waves": geometric.waves,
    "grid": geometric.grid,
    "horizon": geometric.horizon,
    "spiral": geometric.spiral,
    "kaleidoscope": geometric.kaleidoscope,
    "mandala": geometric.mandala,
    "clouds": organic.clouds,
    "lightning": organic.lightning,
    "stripes": geometric.stripes,
    "bubbles": organic.bubbles,
    "checker": geometric.checker,
    "rays": geometric.rays,
    "hexagons": geometric.hexagons,
    "dots": geometric.dots,
    "aurora": organic.aurora,
    "marble": organic.marble,
}
COMPOSITIONS = {
    "tunnel": 2, "rings": 2, "plasma": 5, "cells": 0, "flames": 8, "stars": 0, "waves": 3, "grid": 3, "horizon": 3,
    "spiral": 3, "kaleidoscope": 3, "mandala": 9, "clouds": 1, "lightning": 11, "stripes": 1, "bubbles": 4,
    "checker": 2, "rays": 2, "hexagons": 3, "dots": 3, "aurora": 4, "marble": 2,
}  # fmt: skip
"""Seed of each motif's one composition, chosen by eye. See `composed_field`."""

_COMPOSED_SIZE = 256
# Motifs that must not be rotated much.
_UPRIGHT = frozenset({"horizon", "waves", "flames", "aurora", "lightning"})
_BACKGROUNDS = ("plasma", "clouds", "cells", "marble", "stars", "waves", "checker", "hexagons")
_PAIRS = (("dense", "sparse"), ("soft", "sharp"), ("dark", "bright"))


@dataclass(frozen=True)
class Scene:
    """Description of one image. ``second`` is the motif behind. ``seed`` decides everything that words do not."""

    motif: str
    palette: str
    adjectives: tuple[str, ...] = ()
    second: str | None = None
    seed: int = 0


def random_scene(rng: np.random.Generator) -> Scene:
    """Return a random scene. Opposite adjectives do not occur together."""
    motif = str(rng.choice(list(MOTIFS)))
    adjectives = [str(rng.choice(pair)) for pair in _PAIRS if rng.random() < 0.28]
    adjectives += [word for word in ("glowing", "twisted") if rng.random() < 0.12]
    second = str(rng.choice(_BACKGROUNDS)) if rng.random() < 0.12 else None
    return Scene(
        motif=motif,
        palette=random_palette(rng),
        adjectives=tuple(adjectives),
        second=None if second == motif else second,
        seed=int(rng.integers(2**31)),
    )


def draw_field(scene: Scene, size: int) -> Field:
    """Return the scene without colours, 0..1."""
    rng = np.random.default_rng(scene.seed)
    busy = float(rng.uniform(0.85, 1.2))
    if "dense" in scene.adjectives:
        busy *= 1.7
    elif "sparse" in scene.adjectives:
        busy *= 0.58
    warp = 0.55 if "twisted" in scene.adjectives else 0.0
    canvas = place_canvas(rng, size, busy, warp, scene.motif in _UPRIGHT)
    field = normalize(MOTIFS[scene.motif](canvas).astype(np.float32))
    if scene.second is not None:
        behind = normalize(MOTIFS[scene.second](place_canvas(rng, size, 0.9, 0.0, True)).astype(np.float32))
        field = 1 - (1 - field) * (1 - np.float32(0.5) * behind)
    if "soft" in scene.adjectives:
        field = normalize(blur(field, size / 42))
    if "sharp" in scene.adjectives:
        field = normalize(np.tanh((field - np.float32(0.45)) * 5))
    if "dark" in scene.adjectives:
        field = field**2.2
    if "bright" in scene.adjectives:
        field = field**0.5
    return np.clip(field, 0, 1).astype(np.float32)


def composed_field(motif: str, adjectives: tuple[str, ...], height: int, width: int) -> Field:
    """Return the one composition of a motif, 0..1, float32 ``[height, width]``: upright, centred and always the same.

    A network that draws a motif from words alone, in one step, draws the mean of all pictures with these words. With
    random positions and phases that mean is a cloud; with one composition it is the motif.
    """
    side = _COMPOSED_SIZE
    axis = np.linspace(-1.0, 1.0, side, dtype=np.float32)
    x, y = np.meshgrid(axis, axis)
    busy = 1.5 if "dense" in adjectives else 0.65 if "sparse" in adjectives else 1.0
    canvas = Canvas(x=x, y=y, frequency=busy, rng=np.random.default_rng(COMPOSITIONS[motif]))
    field = normalize(MOTIFS[motif](canvas).astype(np.float32))
    longer = max(height, width)
    method = cv2.INTER_AREA if longer < side else cv2.INTER_CUBIC
    field = cv2.resize(field, (longer, longer), interpolation=method).astype(np.float32)
    top, left = (longer - height) // 2, (longer - width) // 2
    return clamp(field[top : top + height, left : left + width])


def draw_scene(scene: Scene, size: int = 256) -> Image:
    """Return the image of a scene. It takes a few milliseconds at 256 pixels."""
    field = draw_field(scene, size)
    table = palette_table(scene.palette)
    if scene.palette in POSITIONAL:
        # With hues by brightness alone, every dark background would have the first hue.
        rng = np.random.default_rng(scene.seed + 1)
        ramp = np.linspace(0, 1, size, dtype=np.float32)
        slope = rng.uniform(-1, 1, size=2).astype(np.float32)
        hue = rng.random() + slope[0] * ramp[None, :] + slope[1] * ramp[:, None] + np.float32(0.35) * field
        image = table[((hue % 1) * 255).astype(np.uint8)] * (np.float32(0.06) + np.float32(0.94) * field[..., None])
    else:
        image = table[(field * 255).astype(np.uint8)]
    if "glowing" in scene.adjectives:
        halo = cv2.GaussianBlur(cv2.resize(image, (size // 4, size // 4), interpolation=cv2.INTER_AREA), (0, 0), 5)
        image = image + np.float32(0.65) * cv2.resize(halo, (size, size))
    pixels: Image = np.clip(image, 0, 255).astype(np.uint8)
    return pixels
