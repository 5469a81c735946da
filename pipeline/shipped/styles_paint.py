"""Styles of paint, print and paper."""

import cv2
import numpy as np

from pipeline.shipped.canvas import Field, blur, clamp, raised_cosine
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

TAU = 2 * np.pi


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
    """Paint transparent washes on white paper, with pigment gathered at their borders and white left in the light."""
    flat = cv2.medianBlur((picture.colours * np.float32(255)).astype(np.uint8), 7 if picture.scale > 0.8 else 3)
    wash = cv2.GaussianBlur(flat.astype(np.float32) / np.float32(255), (0, 0), 1.0)
    tone = luminance(wash)
    levels = tone * np.float32(4.5)
    step = levels - np.floor(levels)
    pooled = (np.floor(levels) + clamp((step - np.float32(0.5)) * 4 + np.float32(0.5))) / np.float32(4.5)
    border = np.maximum(blur(pooled, 1.8) - pooled, 0) * 4 + picture.edges * np.float32(0.25)
    thin = np.float32(0.46) + np.float32(0.64) * pooled
    colour = saturate(in_range(wash * (thin / (tone + np.float32(0.06)))[..., None]), 1.9)
    grain = (picture.light - blur(picture.light, 1.3)) * np.float32(1.2)
    cover = clamp(np.float32(1.5) - np.float32(1.05) * wide_blur(picture.tone, 4.0) - np.float32(0.3) * tone)
    pigment = (1 - colour) * ((1 + border - grain) * (np.float32(0.35) + np.float32(0.65) * cover))[..., None]
    return in_range(np.array([1.0, 0.985, 0.955], np.float32) - pigment)


def marbling(picture: Picture) -> Colours:
    """Draw bands of floating paint, folded and curled by the forms of the picture."""
    x, y = picture.grid
    fx, fy = picture.flow
    turn = picture.form * np.float32(15)
    bend_x = x + fx * np.float32(9) + np.float32(7) * np.cos(turn)
    bend_y = y + fy * np.float32(9) + np.float32(7) * np.sin(turn)
    folded = sample(np.dstack([picture.form, picture.smooth, *picture.flow]), bend_x, bend_y)
    phase = folded[..., 0] * np.float32(6 * picture.density) + folded[..., 1] * 2 + folded[..., 2] * np.float32(0.35)
    band = raised_cosine(phase * np.float32(TAU / 2))
    vein = raised_cosine(phase * np.float32(TAU) + 1) ** 10
    if picture.table is None:
        paint = sample(cv2.GaussianBlur(picture.colours, (0, 0), 2.0), bend_x, bend_y)
        shade = np.float32(0.35) + np.float32(1.05) * band
        return in_range(saturate(paint, 1.8) * shade[..., None] + vein[..., None] * np.float32(0.4))
    return picture.paint(clamp(band * np.float32(0.78) + vein * np.float32(0.32)))


def paper_cut(picture: Picture) -> Colours:
    """Lay sheets of coloured paper over one another, each with a shadow on the sheet below."""
    light = blur(cv2.medianBlur(picture.tone, 5), 2.0 * picture.scale)
    flat = None
    if picture.table is None:
        flat = saturate(cv2.GaussianBlur(picture.source, (0, 0), 4.0), 1.9)
        flat = flat / (luminance(flat)[..., None] + np.float32(0.08))
    x, y = picture.grid
    # The height of the paper above each pixel's upper left neighbour darkens the pixel.
    steps = light * np.float32(6.4) - np.float32(0.2)
    height = _terraces(steps)
    above = np.maximum(sample(blur(height, 2.0), x - 3, y - np.float32(3.5)) - height, 0)
    tone = clamp(height / np.float32(5.4) + np.float32(0.02))
    colour = picture.paint(tone) if flat is None else in_range(flat * (tone * np.float32(0.85))[..., None])
    rim = clamp(height - sample(height, x - 1, y - 1)) * np.float32(0.12)
    return in_range(colour * (1 - np.float32(0.7) * np.minimum(above, 1))[..., None] + rim[..., None])


def _terraces(steps: Field) -> Field:
    """Return steps rounded to whole levels, with slopes of a fifth of a level between them."""
    low = np.floor(steps)
    return np.maximum(low + clamp((steps - low - np.float32(0.9)) * 10), 0)


def cyanotype(picture: Picture) -> Colours:
    """Print a solarised photograph in Prussian blue, with pale lines where tones meet and the grain of the paper."""
    soft = blur(picture.tone, 1.4)
    flat = clamp(np.float32(0.5) + (soft - np.float32(0.46)) * np.float32(1.45))
    flat = flat * flat * (3 - 2 * flat)
    line = clamp(picture.edges - np.float32(0.25)) * np.float32(0.75)
    halo = clamp(wide_blur(flat, 5.0) - flat) * np.float32(0.3)
    grain = (picture.light - blur(picture.light, 1.0)) * np.float32(1.4)
    return picture.paint(np.float32(0.1) + np.float32(0.76) * flat + line * (1 - flat) + halo + grain)


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
