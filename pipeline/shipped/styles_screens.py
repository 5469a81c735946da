"""Styles of screens and broken signals."""

import cv2
import numpy as np

from pipeline.shipped.canvas import blur, clamp
from pipeline.shipped.picture import (
    CELL,
    Colours,
    Picture,
    Style,
    cell_means,
    in_range,
    luminance,
    repeat_cells,
    sample,
    saturate,
    tile,
    wide_blur,
)

_ROWS = (
    ("........", "........", "........", "........", "........", "........", "........", "........"),
    ("........", "........", "........", "........", "........", "...##...", "...##...", "........"),
    ("........", "...##...", "...##...", "........", "...##...", "...##...", "........", "........"),
    ("........", "........", "........", ".######.", "........", "........", "........", "........"),
    ("........", "...##...", "...##...", ".######.", "...##...", "...##...", "........", "........"),
    ("........", "##...##.", ".##.##..", "..###...", ".##.##..", "##...##.", "........", "........"),
    ("..####..", ".##..##.", ".....##.", "...###..", "...##...", "........", "...##...", "........"),
    ("..####..", ".##..##.", ".##..##.", "..####..", ".##..##.", ".##..##.", "..####..", "........"),
    (".##.##..", "#######.", ".##.##..", ".##.##..", "#######.", ".##.##..", ".##.##..", "........"),
    (".#####..", "##...##.", "##.####.", "##.#.##.", "##.####.", "##......", ".#####..", "........"),
    ("#######.", "#######.", "#######.", "#######.", "#######.", "#######.", "#######.", "........"),
)


GLYPHS = np.array([[[mark == "#" for mark in row] for row in rows] for rows in _ROWS], dtype=np.float32)
"""Glyphs of a terminal as masks from empty to full, float32 ``[number, 8, 8]``."""


def led_wall(picture: Picture) -> Colours:
    """Draw round lamps on black. Bright lamps glow beyond their rim."""
    cell = picture.cell
    lamps = cell_means(picture.colours, cell)
    lamps = saturate(lamps, 1.4)
    lamps = lamps * (np.float32(0.35) + np.float32(1.15) * luminance(lamps)[..., None])
    at = np.arange(cell, dtype=np.float32) - np.float32((cell - 1) / 2)
    away = np.hypot(at[:, None], at[None, :])
    disc = clamp(np.float32(cell * 0.42) - away)
    core = np.exp(-((away / np.float32(cell * 0.22)) ** 2))
    spread = repeat_cells(lamps, cell)
    shape = picture.light.shape
    lit = spread * tile(disc, shape)[..., None] * np.float32(1.35) + (spread**2) * tile(core, shape)[
        ..., None
    ] * np.float32(0.45)
    return in_range(lit + np.float32(0.22) * wide_blur(spread**2, 6.0))


def glyph_cells(picture: Picture) -> Colours:
    """Draw characters of a terminal, which are fuller where the picture is lighter."""
    light = cell_means(picture.tone, CELL)
    place = clamp(light * np.float32(1.1) - np.float32(0.03)) * (len(GLYPHS) - 1)
    low = np.minimum(place.astype(np.int64), len(GLYPHS) - 2)
    part = clamp((place - low - np.float32(0.5)) * 3 + np.float32(0.5))
    rows, columns = light.shape
    first = GLYPHS[low].transpose(0, 2, 1, 3).reshape(rows * CELL, columns * CELL)
    second = GLYPHS[low + 1].transpose(0, 2, 1, 3).reshape(rows * CELL, columns * CELL)
    mask = first + (second - first) * repeat_cells(part)
    bright = np.float32(0.36) + np.float32(0.46) * repeat_cells(clamp(light))
    return picture.paint(mask * bright * np.float32(1.15) + np.float32(0.14) * picture.form)


def scanlines(picture: Picture) -> Colours:
    """Draw the glowing rows and colour stripes of a picture tube."""
    bloom = cv2.GaussianBlur(picture.colours, (0, 0), 1.2)
    bloom = bloom + np.float32(0.55) * np.maximum(wide_blur(bloom, 5.0) - np.float32(0.2), 0)
    rows = tile(np.array([[0.25], [0.95], [1.25], [0.95]] if picture.cell == CELL else [[0.35], [1.2]]), bloom.shape)
    stripes = np.array([[[1.55, 0.6, 0.6], [0.85, 1.4, 0.6], [0.6, 1.0, 1.45], [0.8, 0.5, 1.1]]], np.float32)
    mask = np.tile(stripes, (1, -(-bloom.shape[1] // 4), 1))[:, : bloom.shape[1]]
    lit = np.maximum(bloom * np.float32(1.25) - np.float32(0.06), 0)
    return in_range(lit * rows[..., None] * mask)


def pixel_sort(picture: Picture) -> Colours:
    """Let bright pixels run down in streaks until they meet the dark."""
    colours = picture.colours
    light = blur(picture.tone, 0.8)
    key = clamp((light - np.float32(0.3)) * np.float32(2.2))
    run, bright = colours.copy(), key.copy()
    for step in (1, 2, 4, 8, 16):
        moved = np.roll(run, step, axis=0)
        lit = np.roll(bright, step, axis=0) * np.float32(1 - 0.012 * step)
        moved[:step], lit[:step] = run[:step], bright[:step]
        longer = clamp((lit - bright) * np.float32(6))
        run = run + (moved - run) * longer[..., None]
        bright = np.maximum(bright, lit)
    comb = tile(np.array([[1.12, 0.9, 1.04, 0.82]]), light.shape)
    return in_range(saturate(run, 1.4) * comb[..., None])


def glitch(picture: Picture) -> Colours:
    """Shift bands of eight rows sideways by their own light, and tear the colours apart."""
    x, y = picture.grid
    cells = cell_means(picture.tone, CELL)
    cells = cv2.blur(cells, (5, 1))
    shift = np.sin(cells * np.float32(23)) * np.float32(11)
    size = (x.shape[1], cells.shape[0])
    rows = np.repeat(cv2.resize(shift, size, interpolation=cv2.INTER_LINEAR), CELL, axis=0)
    torn = np.maximum(np.abs(rows) - 4, 0) * np.sign(rows) * np.float32(1.7)
    split = np.float32(3) + np.abs(torn) * np.float32(0.35)
    colours = picture.colours
    red = sample(colours[..., 0].copy(), x + torn + split, y)
    green = sample(colours[..., 1].copy(), x + torn, y)
    blue = sample(colours[..., 2].copy(), x + torn - split, y)
    picture_rows = tile(np.array([[1.0], [1.0], [0.96], [0.7]]), x.shape)
    out = np.dstack([red, green, blue]) * picture_rows[..., None]
    out = out + np.float32(0.35) * (out - cv2.GaussianBlur(out, (0, 0), 1.5))
    return in_range(saturate(np.clip(out, 0, 1), 1.5) * np.float32(1.1))


def pixel_art(picture: Picture) -> Colours:
    """Draw large square pixels in few colours, ordered-dithered between light levels."""
    cell = 4
    means = cell_means(picture.tone, cell)
    order = np.array([[0, 2], [3, 1]], np.float32) / 4 - np.float32(0.375)
    rows, columns = means.shape
    dither = np.tile(order, (-(-rows // 2), -(-columns // 2)))[:rows, :columns]
    levels = means * np.float32(4.4)
    level = np.floor(levels) + clamp((levels - np.floor(levels) + dither - np.float32(0.5)) * 5 + np.float32(0.5))
    tone = repeat_cells(clamp(level / np.float32(4.4)), cell)
    if picture.table is not None:
        return picture.paint(tone)
    flat = repeat_cells(cell_means(picture.colours, cell), cell)
    grey = repeat_cells(means, cell)
    return in_range(saturate(flat, 1.7) * ((tone + np.float32(0.04)) / (grey + np.float32(0.06)))[..., None])


STYLES = (
    Style("led wall", ("led wall", "led panel", "light bulbs", "led screen"), led_wall, None),
    Style(
        "glyph cells",
        ("glyph cells", "ascii art", "terminal text", "matrix code"),
        glyph_cells,
        "000300 003a10 10a83a 60ff80 e8ffe8",
    ),
    Style("scanlines", ("scanlines", "crt", "picture tube", "old television"), scanlines, None),
    Style("pixel sort", ("pixel sort", "pixel sorting", "dripping pixels", "streaked pixels"), pixel_sort, None),
    Style("glitch", ("glitch", "datamosh", "broken signal", "rgb shift"), glitch, None),
    Style("pixel art", ("pixel art", "8-bit", "video game", "big pixels"), pixel_art, None),
)
