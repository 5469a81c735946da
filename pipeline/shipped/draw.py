"""Drawing of a recipe: motif, adjectives, palette and styles over a source."""

from zlib import crc32

import cv2
import numpy as np

from pipeline.shipped.palettes import palette_table
from pipeline.shipped.picture import CELL, Colours, Picture, in_range, luminance, sample, saturate, wide_blur
from pipeline.shipped.recipes import Recipe
from pipeline.shipped.scenes import MOTIFS, Image, composed_field
from pipeline.shipped.styles import OWN, draw_one

_SHOWS_THROUGH = 0.45
_MOTIF_PALETTES = {
    "tunnel": "vaporwave", "rings": "neon", "plasma": "sunset", "cells": "toxic", "flames": "fire",
    "stars": "midnight", "waves": "ocean", "grid": "neon", "horizon": "vaporwave", "spiral": "ultraviolet",
    "kaleidoscope": "tropical", "mandala": "infrared", "clouds": "ice", "lightning": "ultraviolet",
    "stripes": "coral", "bubbles": "mint", "checker": "mono", "rays": "gold", "hexagons": "gold",
    "dots": "candy", "aurora": "aurora", "marble": "copper",
}  # fmt: skip
# Motif of each style when a prompt without a source names no motif.
_SUITS = {
    "flames": "flames", "smoke": "clouds", "lava cracks": "plasma", "marbling": "marble", "neon edges": "tunnel",
    "ink": "waves", "engraving": "mandala", "stained glass": "kaleidoscope", "halftone": "rays",
    "contour map": "plasma", "oil strokes": "clouds",
    "watercolour": "clouds", "glyphs": "tunnel", "mosaic": "mandala", "ice crystals": "aurora",
}  # fmt: skip


def motif_of(recipe: Recipe) -> str:
    """Return the motif of a recipe, or the one of its style if it names none."""
    if recipe.motif is not None:
        return recipe.motif
    if recipe.style in _SUITS:
        return _SUITS[recipe.style]
    names = list(MOTIFS)
    return names[crc32((recipe.style or "").encode()) % len(names)]


def motif_picture(recipe: Recipe, height: int, width: int) -> Colours:
    """Return the motif of a recipe over the whole picture, RGB in 0..1: grey if the recipe has a palette."""
    adjectives = {"fine": "dense", "coarse": "sparse"}
    words = tuple(adjectives.get(word, word) for word in recipe.adjectives if word in {"dense", "sparse", *adjectives})
    name = motif_of(recipe)
    field = composed_field(name, words, height, width)
    if recipe.palette in (None, OWN):
        table = palette_table(_MOTIF_PALETTES[name]) / np.float32(255)
        return table[(field * 255).astype(np.uint8)]
    return np.repeat(field[..., None], 3, axis=2)


def draw_style(source: Image, recipe: Recipe, motif: Colours | None = None) -> Image:
    """Return the source redrawn by a recipe, RGB uint8 of the same shape.

    Args:
        source: RGB, uint8 ``[H, W, 3]``; not read if ``structure`` is 0
        recipe: what to draw
        motif: motif picture in place of `motif_picture`, for a crop of a larger canvas
    """
    height, width = source.shape[:2]
    colours = source.astype(np.float32) / np.float32(255)
    if recipe.motif is not None or recipe.structure < 1:
        share = np.float32(min(recipe.structure, 1 - _SHOWS_THROUGH if recipe.structure == 1 else 1.0))
        behind = motif_picture(recipe, height, width) if motif is None else motif
        colours = share * colours + (1 - share) * behind
    down, across = -height % CELL, -width % CELL
    if down or across:
        colours = cv2.copyMakeBorder(colours, 0, down, 0, across, cv2.BORDER_REFLECT_101)
    colours = _prepare(colours, recipe.adjectives)
    drawn = draw_one(colours, recipe.style, recipe.palette, recipe.adjectives)
    if recipe.second is not None:
        drawn = _blend(drawn, draw_one(colours, recipe.second, recipe.palette, recipe.adjectives))
    drawn = _finish(drawn, recipe.adjectives)[:height, :width]
    pixels: Image = np.clip(drawn * np.float32(255) + np.float32(0.5), 0, 255).astype(np.uint8)
    return pixels


def _blend(lines: Colours, colour: Colours) -> Colours:
    """Return the light of one drawing in the colours of another."""
    light, below = luminance(np.clip(lines, 0, 1)), luminance(np.clip(colour, 0, 1))
    wanted = light * (np.float32(0.62) + np.float32(0.38) * below) + np.float32(0.26) * below * (1 - light)
    lit = colour * (wanted / (below + np.float32(0.03)))[..., None]
    # Light beyond the brightest shade of a colour turns to white, like an overexposed lamp.
    over = np.maximum(lit - 1, 0).max(axis=2, keepdims=True)
    return in_range(np.minimum(lit, 1) + np.minimum(over, 1) * np.float32(0.6) * light[..., None])


def _prepare(colours: Colours, adjectives: tuple[str, ...]) -> Colours:
    """Apply the adjectives that change the source before styles draw it."""
    if "coarse" in adjectives:
        colours = cv2.GaussianBlur(colours, (0, 0), 2.0)
    if "sparse" in adjectives:
        colours = np.clip(cv2.GaussianBlur(colours, (0, 0), 1.8) * np.float32(1.08) - np.float32(0.08), 0, 1)
    if "dense" in adjectives or "fine" in adjectives:
        colours = colours + np.float32(0.8) * (colours - cv2.GaussianBlur(colours, (0, 0), 2.5))
        colours = np.clip(colours, 0, 1)
    if "twisted" in adjectives:
        picture = Picture(colours, None)
        (x, y), (fx, fy) = picture.grid, picture.flow
        colours = sample(colours, x + fx * np.float32(10), y + fy * np.float32(10))
    return colours


def _finish(drawn: Colours, adjectives: tuple[str, ...]) -> Colours:
    """Apply the adjectives that change the finished drawing."""
    drawn = np.clip(drawn, 0, 1).astype(np.float32)
    if "soft" in adjectives:
        drawn = cv2.GaussianBlur(drawn, (0, 0), 2.2)
    if "sharp" in adjectives:
        drawn = np.clip(drawn + np.float32(1.2) * (drawn - cv2.GaussianBlur(drawn, (0, 0), 1.4)), 0, 1)
        drawn = drawn * drawn * (3 - 2 * drawn)
    if "saturated" in adjectives:
        drawn = saturate(drawn, 1.9)
    if "faded" in adjectives:
        drawn = saturate(drawn, 0.45) * np.float32(0.68) + np.float32(0.2)
    if "dark" in adjectives:
        drawn = drawn ** np.float32(1.7) * np.float32(0.72)
    if "bright" in adjectives:
        drawn = 1 - (1 - drawn) ** np.float32(1.9)
    if "glowing" in adjectives:
        drawn = drawn + np.float32(0.75) * wide_blur(drawn * drawn, 6.0) * (1 - np.float32(0.5) * drawn)
    return drawn
