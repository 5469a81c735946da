"""Styles of paint, print and paper."""

import cv2
import numpy as np

from pipeline.shipped.canvas import Field, blur, clamp
from pipeline.shipped.picture import (
    Colours,
    Picture,
    Style,
    cell_means,
    in_range,
    luminance,
    sample,
    saturate,
    wide_blur,
)


def _along(image: Colours, picture: Picture, step: float, count: int) -> Colours:
    """Return the image averaged along contours of the light: ``count`` steps of ``step`` pixels both ways."""
    across, down = _contour(picture)
    x, y = picture.grid
    total = image.copy()
    for sign in (1.0, -1.0):
        px, py = x, y
        for _ in range(count):
            # Second-order steps would not show at this length of strokes.
            px = px + np.float32(sign * step) * across
            py = py + np.float32(sign * step) * down
            total += sample(image, px, py)
    result: Colours = total / np.float32(2 * count + 1)
    return result


def _contour(picture: Picture) -> tuple[Field, Field]:
    """Return the unit direction of contours, from the structure tensor of the light."""
    gx, gy = picture.gradient
    tensor = wide_blur(np.dstack([gx * gx - gy * gy, 2 * gx * gy, gx * gx + gy * gy]), 4.0)
    # A weak constant direction keeps flat areas from turning with the noise of a camera.
    angle = np.arctan2(tensor[..., 1], tensor[..., 0] + np.float32(2e-6)) / 2
    return -np.sin(angle), np.cos(angle)


def oil_strokes(picture: Picture) -> Colours:
    """Paint thick strokes along contours, with ridges of paint lit from the upper left."""
    sharp = picture.colours + np.float32(1.6) * (picture.colours - cv2.GaussianBlur(picture.colours, (0, 0), 2.0))
    stroke = _along(sharp, picture, 1.6 * picture.scale, 4)
    stroke = stroke + np.float32(1.2) * (stroke - cv2.GaussianBlur(stroke, (0, 0), 2.2))
    relief = luminance(stroke)
    lit = cv2.Sobel(relief, cv2.CV_32F, 1, 0, scale=0.125) + cv2.Sobel(relief, cv2.CV_32F, 0, 1, scale=0.125)
    shine = clamp(lit * np.float32(3)) * np.float32(0.5)
    paint = saturate(np.clip(stroke, 0, 1), 1.55) * (1 - np.clip(lit * np.float32(2.5), -0.4, 0.4))[..., None]
    return in_range(paint + shine[..., None] * np.float32(0.35))


def watercolour(picture: Picture) -> Colours:
    """Paint transparent washes on white paper, with pigment gathered at their borders and in the grain."""
    wash = picture.colours
    for _ in range(2):
        wash = cv2.bilateralFilter(wash, 7, 0.16, 3.5)
    tone = luminance(wash)
    levels = tone * np.float32(5)
    step = levels - np.floor(levels)
    pooled = (np.floor(levels) + clamp((step - np.float32(0.5)) * np.float32(3.5) + np.float32(0.5))) / 5
    border = np.abs(pooled - blur(pooled, 1.5)) * np.float32(3.2)
    thin = np.float32(0.42) + np.float32(0.66) * pooled
    colour = saturate(np.clip(wash * (thin / (tone + np.float32(0.06)))[..., None], 0, 1), 1.5)
    grain = (picture.light - blur(picture.light, 1.3)) * np.float32(0.9)
    pigment = (1 - colour) * (1 + np.float32(1.1) * border - grain)[..., None]
    paper = np.array([1.0, 0.985, 0.955], np.float32)
    bleed = clamp(wide_blur(tone, 5.0) * np.float32(1.6) - np.float32(0.75))[..., None]
    return in_range(paper - pigment * (1 - np.float32(0.7) * bleed))


def marbling(picture: Picture) -> Colours:
    """Draw bands of floating paint, stirred along the forms of the picture and combed."""
    x, y = picture.grid
    fx, fy = picture.flow
    comb = np.sin(x * np.float32(np.pi / 4))
    form = picture.form
    swirl = sample(np.dstack([form, picture.smooth]), x + fx * 11 + comb * 1, y + fy * 11 + comb * np.float32(2.5))
    phase = swirl[..., 0] * np.float32(8) + swirl[..., 1] * np.float32(3.0 * picture.density)
    band = np.abs(((phase * np.float32(0.5)) % 1) * 2 - 1)
    vein = clamp(1 - np.abs(band - np.float32(0.5)) * 9) * np.float32(0.55)
    if picture.table is None:
        flat = sample(cv2.GaussianBlur(picture.colours, (0, 0), 2.0), x + fx * 11, y + fy * 11 + comb * np.float32(2.5))
        shade = np.float32(0.35) + np.float32(0.95) * blur(band, 0.8)
        return in_range(saturate(flat, 1.7) * shade[..., None] + vein[..., None] * np.float32(0.5))
    return picture.paint(clamp(blur(band, 0.8) * np.float32(0.9) + vein * np.float32(0.35)))


def paper_cut(picture: Picture) -> Colours:
    """Lay sheets of coloured paper over one another, each with a shadow on the sheet below."""
    light = blur(cv2.medianBlur(picture.tone, 5), 2.0 * picture.scale)
    count = 5
    result = np.broadcast_to(picture.paint(np.zeros_like(light)), (*light.shape, 3)).copy()
    flat = None
    if picture.table is None:
        flat = saturate(cv2.GaussianBlur(picture.source, (0, 0), 4.0), 1.9)
        flat = flat / (luminance(flat)[..., None] + np.float32(0.08))
    x, y = picture.grid
    for sheet in range(count):
        level = np.float32((sheet + 0.45) / count)
        cover = clamp((light - level) * np.float32(28) + np.float32(0.5))
        shadow = sample(blur(cover, 2.2), x - 3, y - np.float32(3.5)) * (1 - cover)
        tone = np.full_like(light, np.float32((sheet + 1) / count))
        colour = picture.paint(tone) if flat is None else np.clip(flat * (tone * np.float32(0.85))[..., None], 0, 1)
        result = result * (1 - np.float32(0.62) * shadow)[..., None]
        result = result + (colour - result) * cover[..., None]
    return result


def cyanotype(picture: Picture) -> Colours:
    """Print a soft photograph in Prussian blue, with pale halos and the grain of the paper."""
    soft = blur(picture.tone, 1.1)
    halo = clamp(wide_blur(picture.tone, 6.0) - soft) * np.float32(0.5)
    washed = np.float32(0.1) + np.float32(0.9) * soft ** np.float32(1.15) - halo * np.float32(0.6)
    grain = (picture.light - blur(picture.light, 1.0)) * np.float32(1.2)
    return picture.paint(clamp(washed + grain))


def xray(picture: Picture) -> Colours:
    """Show the picture as a lit negative: bright bones along edges and in the shadows, on black."""
    inverse = 1 - picture.tone
    bones = np.maximum(blur(inverse, 1.0) - wide_blur(inverse, 7.0) * np.float32(0.72), 0)
    rim = blur(picture.edges, 1.0)
    flesh = inverse ** np.float32(2.2) * np.float32(0.34)
    return picture.paint(clamp(flesh + bones * np.float32(0.95) + rim * np.float32(0.42)))


def thermal(picture: Picture) -> Colours:
    """Show light as heat, through a coarse soft sensor with bands of equal temperature."""
    coarse = cell_means(picture.tone, 4)
    size = (picture.light.shape[1], picture.light.shape[0])
    heat = cv2.resize(cv2.GaussianBlur(coarse, (0, 0), 1.0), size, interpolation=cv2.INTER_CUBIC)
    heat = clamp(heat * np.float32(1.12) - np.float32(0.03))
    levels = heat * np.float32(9)
    band = (np.round(levels) + np.clip((levels - np.round(levels)) * 2, -0.5, 0.5) * np.float32(0.6)) / 9
    return picture.paint(clamp(band))


STYLES = (
    Style("oil strokes", ("oil painting", "oil strokes", "impasto", "thick paint"), oil_strokes, None),
    Style("watercolour", ("watercolour", "watercolor", "aquarelle", "wet paint"), watercolour, None),
    Style(
        "marbling",
        ("marbling", "marbled paper", "suminagashi", "swirled paint"),
        marbling,
        "0a0830 b01840 f07028 20a0a8 fff4dc",
        keeps_edges=False,
    ),
    Style(
        "paper cut",
        ("paper cut", "cut paper", "layered paper", "paper layers"),
        paper_cut,
        "2a0a4a 7a1f8a e8407a ff9a5a ffe8b8",
    ),
    Style(
        "cyanotype", ("cyanotype", "sun print", "prussian blue print"), cyanotype, "06163c 0d3a7c 3f7fb8 b8d8e4 f6f4e6"
    ),
    Style("x-ray", ("x-ray", "xray", "radiograph", "negative"), xray, "000204 0a2430 3a8098 b0ecf4 ffffff"),
    Style(
        "thermal",
        ("thermal", "thermal camera", "heat map", "heat vision"),
        thermal,
        "00000c 1a0a9a a008a8 f03a20 ffb400 ffff80 ffffff",
    ),
)
