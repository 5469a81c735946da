"""Words that the model knows, and the style, palette, adjective or motif that each one means."""

from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

from pipeline.shipped.palettes import COLOURS, PALETTES
from pipeline.shipped.styles import OWN, STYLES

Kind = Literal["style", "palette", "adjective", "motif"]

OWN_WORDS = ("true colours", "original colours", "natural colours", "own colours")

ADJECTIVE_WORDS: dict[str, tuple[str, ...]] = {
    "fine": ("fine", "tiny", "delicate", "intricate"),
    "coarse": ("coarse", "big", "rough", "chunky"),
    "dense": ("dense", "busy", "packed", "detailed"),
    "sparse": ("sparse", "minimal", "simple", "empty"),
    "glowing": ("glowing", "luminous", "shining", "radiant"),
    "dark": ("dark", "dim", "shadowy", "gloomy"),
    "bright": ("bright", "light", "sunny", "brilliant"),
    "soft": ("soft", "blurry", "dreamy", "hazy"),
    "sharp": ("sharp", "crisp", "hard", "graphic"),
    "twisted": ("twisted", "warped", "distorted", "melting"),
    "saturated": ("saturated", "vivid", "colourful", "intense"),
    "faded": ("faded", "washed out", "pale", "muted"),
}
"""Words for each adjective, the most common first."""

OPPOSITES = (
    ("fine", "coarse"),
    ("dense", "sparse"),
    ("dark", "bright"),
    ("soft", "sharp"),
    ("saturated", "faded"),
)
"""Pairs of adjectives that exclude each other."""

MOTIF_WORDS: dict[str, tuple[str, ...]] = {
    "tunnel": ("tunnel", "wormhole", "corridor", "endless tunnel"),
    "rings": ("rings", "concentric circles", "circles", "ripples"),
    "plasma": ("plasma", "lava lamp", "liquid waves", "fluid"),
    "cells": ("cells", "voronoi cells", "membranes"),
    "flames": ("bonfire", "campfire", "wall of fire"),
    "stars": ("stars", "starfield", "night sky", "galaxy"),
    "waves": ("waves", "rolling waves", "wavy lines", "sea"),
    "grid": ("grid", "wireframe", "lattice", "mesh"),
    "horizon": ("horizon", "perspective grid", "landscape", "endless floor"),
    "spiral": ("spiral", "swirl", "whirlpool", "vortex"),
    "kaleidoscope": ("kaleidoscope", "kaleidoscopic pattern", "symmetry", "ornament"),
    "mandala": ("mandala", "flower", "lotus", "petals"),
    "clouds": ("clouds", "fog", "mist", "cloudy sky"),
    "lightning": ("lightning", "lightning bolts", "electric arcs", "electricity"),
    "stripes": ("stripes", "bars", "zebra stripes"),
    "bubbles": ("bubbles", "orbs", "spheres", "balls"),
    "checker": ("checkerboard", "squares", "chequers"),
    "rays": ("rays", "sunburst", "light beams", "lasers"),
    "hexagons": ("hexagons", "honeycomb", "hex grid"),
    "dots": ("dots", "polka dots", "spots"),
    "aurora": ("northern lights", "curtains of light", "veils of light"),
    "marble": ("marble", "stone veins", "veins"),
}
"""Words for each motif, the most common first."""


@dataclass(frozen=True)
class Meaning:
    """The thing that a word stands for."""

    kind: Kind
    name: str


def palette_words(name: str) -> tuple[str, ...]:
    """Return every name of a palette that captions use."""
    if name == OWN:
        return OWN_WORDS
    return PALETTES[name][1] if name in PALETTES else (name,)


@lru_cache(maxsize=1)
def vocabulary() -> dict[str, Meaning]:
    """Return every word and phrase with its meaning. Each has one meaning."""
    groups: list[tuple[Kind, dict[str, tuple[str, ...]]]] = [
        ("style", {name: style.words for name, style in STYLES.items()}),
        ("palette", {name: palette_words(name) for name in (*PALETTES, *COLOURS, OWN)}),
        ("adjective", ADJECTIVE_WORDS),
        ("motif", MOTIF_WORDS),
    ]
    meanings: dict[str, Meaning] = {}
    for kind, group in groups:
        for name, words in group.items():
            for word in words:
                meanings.setdefault(word, Meaning(kind, name))
    return meanings


def known_words() -> tuple[str, ...]:
    """Return every word and phrase that has a meaning, sorted."""
    return tuple(sorted(vocabulary()))
