"""Captions of scenes, with many synonyms and templates, so that a prompt does not depend on one wording."""

import numpy as np

from pipeline.shipped.palettes import palette_words
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
    # The first word is the most common in prompts, so it gets an extra 40 %.
    return words[0] if rng.random() < 0.4 else words[int(rng.integers(len(words)))]


def motif_phrase(scene: Scene, rng: np.random.Generator) -> str:
    """Return the motif of a scene in words: "rings", or "rings over plasma"."""
    phrase = _one_of(rng, MOTIF_WORDS[scene.motif])
    if scene.second is not None:
        preposition = _one_of(rng, ("over", "and", "on", "with"))
        phrase = f"{phrase} {preposition} {_one_of(rng, MOTIF_WORDS[scene.second])}"
    return phrase


def caption_for(scene: Scene, rng: np.random.Generator) -> str:
    """Return a random caption of a scene, in lower case. It names only what is drawn and may omit parts."""
    kind = rng.random()
    forms = _FULL if kind < 0.8 else (_LOOK_ALONE if kind < 0.91 else _MOTIF_ALONE)
    adjectives = [_one_of(rng, ADJECTIVE_WORDS[adjective]) for adjective in scene.adjectives if rng.random() < 0.85]
    rng.shuffle(adjectives)
    text = forms[int(rng.integers(len(forms)))].format(
        look=_one_of(rng, palette_words(scene.palette)), motif=motif_phrase(scene, rng), adjective=" ".join(adjectives)
    )
    # Without adjectives the template leaves double spaces and empty parts between commas.
    return ", ".join(part for part in (" ".join(piece.split()) for piece in text.split(",")) if part)
