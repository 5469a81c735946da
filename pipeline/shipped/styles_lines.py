"""Styles drawn with lines on edges, levels and rows of the picture."""

import cv2
import numpy as np

from pipeline.shipped.canvas import Field, blur, clamp, raised_cosine
from pipeline.shipped.picture import (
    CELL,
    Colours,
    Picture,
    Style,
    cell_means,
    in_range,
    sample,
    tile,
    wide_blur,
)

TAU = 2 * np.pi


def neon_edges(picture: Picture) -> Colours:
    """Draw glowing tubes along edges, on black."""
    core = clamp((picture.edges - np.float32(0.2 / picture.density**0.7)) * np.float32(2.2))
    tube = blur(core, 0.8)
    halo = blur(core, 3.5 * picture.scale) * np.float32(0.75) + wide_blur(core, 7.0) * np.float32(0.6)
    return picture.paint(tube * np.float32(0.62) + halo * np.float32(0.85) + np.float32(0.04) * picture.form)


def contour_map(picture: Picture) -> Colours:
    """Draw glowing level lines of even width, on layers that lighten with height."""
    height = blur(picture.tone, 3.0 * picture.scale)
    levels = height * np.float32(9 * picture.density)
    across = cv2.Sobel(levels, cv2.CV_32F, 1, 0, scale=0.125)
    down = cv2.Sobel(levels, cv2.CV_32F, 0, 1, scale=0.125)
    slope = np.sqrt(across * across + down * down) + np.float32(0.03)
    away = np.abs(levels - np.round(levels)) / slope
    line = clamp((np.float32(1.7) - away) * np.float32(0.8)) * clamp(slope * 14)
    body = picture.paint(height * np.float32(0.85)) * np.float32(0.3)
    bright = picture.paint(np.float32(0.3) + np.float32(0.7) * height)
    return in_range(body + (bright - body) * line[..., None])


def _dodge(light: Field, radius: float) -> Field:
    """Return light divided by its surroundings: dark only along lines and in small shadows."""
    around = np.maximum(blur(light, radius), wide_blur(light, 3 * radius))
    return clamp((light + np.float32(0.03)) / (around + np.float32(0.03)))


def ink(picture: Picture) -> Colours:
    """Draw black brush lines and solid shadows on paper."""
    line = _dodge(blur(picture.light, 0.8 * picture.scale), 5.0 * picture.scale) ** np.float32(4.5 * picture.density)
    shadow = clamp((blur(picture.tone, 1.5 * picture.scale) - np.float32(0.16)) * np.float32(6))
    wash = np.float32(0.72) + np.float32(0.28) * clamp((picture.smooth - np.float32(0.32)) * np.float32(9))
    return picture.paint(np.minimum(line * wash, shadow))


def engraving(picture: Picture) -> Colours:
    """Draw diagonal lines that swell in the shadows and bend over forms, crossed where it is darkest."""
    x, y = picture.grid
    bend = picture.form * np.float32(16)
    pitch = np.float32(TAU / picture.cell)
    dark = 1 - clamp(blur(picture.tone, 0.9) * np.float32(1.08))
    first = raised_cosine((x + y + bend) * pitch)
    second = raised_cosine((x - y + bend) * pitch)
    cut = clamp((dark * np.float32(1.25) - first) * 4 + np.float32(0.1))
    cross = clamp((dark * np.float32(2.1) - np.float32(1.05) - second) * 4)
    outline = clamp((picture.edges - np.float32(0.45)) * np.float32(1.6))
    return picture.paint(1 - np.maximum(np.maximum(cut, cross), outline))


def blueprint(picture: Picture) -> Colours:
    """Draw white construction lines and hatched shadows on a blue sheet with a fine grid."""
    line = clamp((picture.edges - np.float32(0.16 / picture.density)) * np.float32(2.6))
    mesh = np.zeros((CELL, CELL), np.float32)
    mesh[0, :] = mesh[:, 0] = 1
    x, y = picture.grid
    dark = clamp((np.float32(0.52) - blur(picture.tone, 1.5)) * np.float32(2.6))
    hatch = clamp((raised_cosine((x + y) * np.float32(TAU / CELL)) - 1 + dark * np.float32(0.6)) * 3)
    sheet = np.float32(0.14) + np.float32(0.24) * picture.smooth + np.float32(0.07) * tile(mesh, picture.light.shape)
    return picture.paint(np.maximum(sheet + np.float32(0.24) * hatch, line))


def ridge_lines(picture: Picture) -> Colours:
    """Draw bright rows raised by the light, like the profile of mountains."""
    _, y = picture.grid
    lift = blur(picture.tone, 2.2 * picture.scale)
    rows = (y + lift * np.float32(13)) / np.float32(picture.cell)
    slope = np.abs(cv2.Sobel(rows, cv2.CV_32F, 0, 1, scale=0.125)) + np.float32(0.04)
    away = np.abs(rows - np.round(rows)) / slope
    line = clamp(np.float32(1.5) - away * np.float32(0.9))
    glow = clamp(np.float32(1) - away / 4) ** 2
    shine = np.float32(0.28) + np.float32(0.8) * lift
    return picture.paint(shine * (line * np.float32(0.9) + np.float32(0.28) * glow))


def circuit(picture: Picture) -> Colours:
    """Draw traces of a printed circuit along borders between light levels, with pads where they end."""
    cell = picture.cell
    level = cell_means(picture.tone, cell) * np.float32(7 * picture.density)
    right = clamp(np.abs(np.diff(level, axis=1, append=level[:, -1:])) * np.float32(1.4) - np.float32(0.35))
    below = clamp(np.abs(np.diff(level, axis=0, append=level[-1:, :])) * np.float32(1.4) - np.float32(0.35))
    thin = np.zeros((cell, cell), np.float32)
    thin[:, -2:] = 1
    upright = np.repeat(np.repeat(right, cell, 0), cell, 1) * tile(thin, picture.light.shape)
    level_line = np.repeat(np.repeat(below, cell, 0), cell, 1) * tile(thin.T, picture.light.shape)
    trace = np.maximum(upright, level_line)
    ends = clamp((right + below - np.float32(0.9)) * 2)
    at = np.arange(cell) - (cell - 1.5)
    disc = clamp(np.float32(2.6) - np.hypot(at[:, None], at[None, :]).astype(np.float32))
    pads = np.repeat(np.repeat(ends, cell, 0), cell, 1) * tile(disc, picture.light.shape)
    board = np.float32(0.1) + np.float32(0.3) * np.repeat(np.repeat(clamp(level / 7), cell, 0), cell, 1)
    glow = blur(trace, 2.0) * np.float32(0.3)
    return picture.paint(np.maximum(np.maximum(trace * np.float32(0.85), pads), board + glow))


def hologram(picture: Picture) -> Colours:
    """Draw a translucent projection: bright rims, fine rows, a shifted ghost, colour that turns with the form."""
    x, y = picture.grid
    rim = clamp((picture.edges - np.float32(0.2)) * np.float32(1.5))
    ghost = sample(rim, x + 6, y)
    body = picture.tone * np.float32(0.72) + np.float32(0.05)
    rows = tile(np.array([[1.0], [0.95], [0.5], [0.35]] if picture.cell == CELL else [[1.0], [0.45]]), body.shape)
    light = clamp((body + rim * np.float32(0.75)) * rows + ghost * np.float32(0.3))
    turn = raised_cosine(picture.form * np.float32(11) + picture.smooth * np.float32(5))
    return picture.paint(light * (np.float32(0.72) + np.float32(0.5) * turn))


STYLES = (
    Style(
        "neon edges",
        ("neon edges", "glowing edges", "neon outlines", "neon tubes"),
        neon_edges,
        "03000a 2a0878 c81ee0 3ad8ff f4ffff",
    ),
    Style(
        "contour map",
        ("contour map", "topographic lines", "contour lines", "isolines"),
        contour_map,
        "06121c 0a5a6a 2ab07a f0c040 fff0c0",
        keeps_edges=False,
    ),
    Style("ink", ("ink drawing", "ink", "pen and ink", "brush ink"), ink, "0c0a10 5a5048 f6efdf fbf6ea"),
    Style("engraving", ("engraving", "etching", "banknote", "woodcut"), engraving, "1a100a 6a5238 f0e2c2 fff4dc"),
    Style(
        "blueprint",
        ("blueprint", "technical drawing", "construction plan"),
        blueprint,
        "04103a 0c2f8a 1c50c0 9cc4ff ffffff",
    ),
    Style(
        "ridge lines",
        ("ridge lines", "mountain lines", "pulsar lines", "raised lines"),
        ridge_lines,
        "000000 30343c a8b4c4 ffffff",
        keeps_edges=False,
    ),
    Style(
        "circuit",
        ("circuit board", "circuit", "printed circuit", "microchip"),
        circuit,
        "000a06 02301c 0a6a38 e0a838 fff4c0",
    ),
    Style(
        "hologram",
        ("hologram", "holographic projection", "holographic"),
        hologram,
        "001020 1038ff 00e0ff b070ff ff60e0",
    ),
)
