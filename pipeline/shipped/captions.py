"""From a scene to words: many ways to say one picture, so that a prompt need not know the right one."""

import numpy as np

from pipeline.shipped.palettes import COLOURS, MOODS, palette_words
from pipeline.shipped.scenes import Scene

MOTIF_WORDS: dict[str, tuple[str, ...]] = {
    "tunnel": ("tunnel", "wormhole", "corridor", "endless tunnel"),
    "rings": ("rings", "concentric circles", "circles", "ripples"),
    "plasma": ("plasma", "lava lamp", "liquid", "fluid"),
    "cells": ("cells", "voronoi cells", "crystals", "mosaic"),
    "flames": ("flames", "blaze", "bonfire", "burning flames"),
    "stars": ("stars", "starfield", "night sky", "galaxy"),
    "waves": ("waves", "rolling waves", "wavy lines", "sea"),
    "grid": ("grid", "wireframe", "lattice", "mesh"),
    "horizon": ("horizon", "synthwave floor", "perspective grid", "landscape"),
    "spiral": ("spiral", "swirl", "whirlpool", "vortex"),
    "kaleidoscope": ("kaleidoscope", "kaleidoscopic pattern", "symmetry", "ornament"),
    "mandala": ("mandala", "flower", "lotus", "petals"),
    "clouds": ("clouds", "smoke", "fog", "mist"),
    "lightning": ("lightning", "lightning bolts", "electric arcs", "electricity"),
    "stripes": ("stripes", "bars", "lines", "zebra stripes"),
    "bubbles": ("bubbles", "orbs", "spheres", "balls"),
    "checker": ("checkerboard", "squares", "tiles", "chequers"),
    "rays": ("rays", "sunburst", "light beams", "lasers"),
    "hexagons": ("hexagons", "honeycomb", "hex tiles"),
    "dots": ("dots", "halftone dots", "polka dots", "points"),
    "aurora": ("aurora", "northern lights", "curtains of light", "veils"),
    "marble": ("marble", "ink", "oil", "veins"),
}

ADJECTIVE_WORDS: dict[str, tuple[str, ...]] = {
    "dense": ("dense", "tiny", "fine", "many small"),
    "sparse": ("big", "large", "huge", "sparse"),
    "soft": ("soft", "blurry", "dreamy", "hazy"),
    "sharp": ("sharp", "crisp", "hard", "graphic"),
    "dark": ("dark", "dim", "shadowy", "deep"),
    "bright": ("bright", "light", "vivid", "radiant"),
    "glowing": ("glowing", "luminous", "shining"),
    "twisted": ("twisted", "warped", "distorted", "melting"),
}

_FULL = (
    "{look} {motif}",
    "{look} {motif}",
    "{adjective} {look} {motif}",
    "{adjective} {look} {motif}",
    "{motif}, {look}, {adjective}",
    "{adjective} {motif} in {look}",
    "{motif} in {look}",
    "a {look} {motif}",
    "{motif} made of {look}",
    "{look}, {motif}",
    "{look} abstract {motif}, {adjective}",
    "visuals of {adjective} {look} {motif}",
)
_LOOK_ALONE = ("{look}", "{adjective} {look}", "{look} colours", "{look} light", "everything {look}")
_MOTIF_ALONE = ("{motif}", "{adjective} {motif}", "a {motif}", "{motif}, {adjective}")


def _one_of(rng: np.random.Generator, words: tuple[str, ...]) -> str:
    # The first word is the plain one and the likeliest in a prompt, so it is said most often.
    return words[0] if rng.random() < 0.4 else words[int(rng.integers(len(words)))]


def motif_phrase(scene: Scene, rng: np.random.Generator) -> str:
    """What the scene shows, without its colours: "rings", or "rings over plasma"."""
    phrase = _one_of(rng, MOTIF_WORDS[scene.motif])
    if scene.second is not None:
        joint = _one_of(rng, ("over", "and", "on", "with"))
        phrase = f"{phrase} {joint} {_one_of(rng, MOTIF_WORDS[scene.second])}"
    return phrase


def describe(scene: Scene, rng: np.random.Generator) -> str:
    """One caption of the scene, lower case; it never names what isn't drawn, but may leave things out."""
    kind = rng.random()
    forms = _FULL if kind < 0.8 else (_LOOK_ALONE if kind < 0.91 else _MOTIF_ALONE)
    spoken = [_one_of(rng, ADJECTIVE_WORDS[adjective]) for adjective in scene.adjectives if rng.random() < 0.85]
    rng.shuffle(spoken)
    text = forms[int(rng.integers(len(forms)))].format(
        look=_one_of(rng, palette_words(scene.palette)), motif=motif_phrase(scene, rng), adjective=" ".join(spoken)
    )
    # An adjective left out leaves doubled spaces and dangling commas.
    return ", ".join(part for part in (" ".join(piece.split()) for piece in text.split(",")) if part)


def spoken_words() -> list[str]:
    """Every phrase a caption is put together from: what the tokenizer should know in whole words."""
    groups = [*MOTIF_WORDS.values(), *ADJECTIVE_WORDS.values(), *(words for _, words in MOODS.values())]
    return [phrase for group in groups for phrase in group] + list(COLOURS)
