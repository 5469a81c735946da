"""Styles of matter: fire, smoke, metal, stone, ice and growing patterns."""

import cv2
import numpy as np

from pipeline.shipped.canvas import Field, blur, clamp, raised_cosine
from pipeline.shipped.cells import find_cells
from pipeline.shipped.picture import (
    Colours,
    Picture,
    Style,
    in_range,
    sample,
    wide_blur,
)

TAU = 2 * np.pi


def turing(picture: Picture) -> Colours:
    """Grow the spots and stripes of a reaction and diffusion from the detail of the picture."""
    x, y = picture.grid
    seed = picture.tone - wide_blur(picture.tone, 6.0)
    pitch = np.float32(TAU / 8)
    field = seed * np.float32(1.6) + np.float32(0.05) * np.cos(x * pitch) * np.cos(y * pitch)
    bias = (picture.form - np.float32(0.45)) * np.float32(0.5)
    inner = 1.45 * max(picture.scale, 0.75)
    for _ in range(4):
        field = np.tanh((blur(field, inner) - blur(field, 2 * inner)) * np.float32(9) + bias * np.float32(0.35))
    value = clamp(field * np.float32(0.75) + np.float32(0.5))
    glow = np.float32(0.55) + np.float32(0.45) * picture.form
    return picture.paint(value * glow * np.float32(1.1))


def liquid_chrome(picture: Picture) -> Colours:
    """Pour mirror metal over the forms: bands of sky and ground reflected by the slope."""
    form = blur(picture.tone, 3.2 * picture.scale)
    across = cv2.Sobel(form, cv2.CV_32F, 1, 0, scale=0.125)
    down = cv2.Sobel(form, cv2.CV_32F, 0, 1, scale=0.125)
    mirror = np.sin(form * np.float32(15 * picture.density) + down * np.float32(40) + across * np.float32(14))
    sky = clamp(np.float32(0.5) + np.float32(0.62) * mirror)
    sharp = sky * sky * (3 - 2 * sky)
    glint = clamp((-across - down) * np.float32(22) - np.float32(0.45))
    return picture.paint(clamp(sharp * np.float32(0.86) + glint * np.float32(0.6)))


def flames(picture: Picture) -> Colours:
    """Let light rise and lick upwards in tongues."""
    x, y = picture.grid
    hot = clamp((picture.tone - np.float32(0.3)) * np.float32(1.5)) + np.float32(0.55) * picture.edges
    sway = (picture.smooth - picture.form) * np.float32(16)
    rough = np.sin(x * np.float32(TAU / 8) + picture.form * np.float32(14)) * np.float32(1.6)
    heat = hot.copy()
    for step in range(1, 10):
        rise = np.float32(step * 3.4)
        lick = sample(hot, x + (sway + rough) * np.float32(step / 6), y + rise)
        np.maximum(heat, lick * np.float32(1 - step / 10.5), out=heat)
    heat = blur(heat, 0.9)
    core = clamp(heat * np.float32(0.95) - np.float32(0.08))
    return picture.paint(core ** np.float32(1.15))


def smoke(picture: Picture) -> Colours:
    """Dissolve the picture into rising wisps that curl around its forms."""
    x, y = picture.grid
    fx, fy = picture.flow
    body = picture.smooth * np.float32(0.6) + picture.tone * np.float32(0.4)
    total = np.zeros_like(body)
    weight = 0.0
    px, py = x, y
    for step in range(7):
        share = 1 - step / 9
        total += sample(body, px, py) * np.float32(share)
        weight += share
        curl = sample(np.dstack([fx, fy]), px, py)
        px = px + curl[..., 0] * np.float32(2.6)
        py = py + curl[..., 1] * np.float32(2.6) + np.float32(2.4)
    wisp = (total / np.float32(weight)).astype(np.float32)
    fold = clamp(np.float32(0.5) + (wisp - wide_blur(wisp, 6.0)) * np.float32(3.4))
    return picture.paint(clamp(wisp * np.float32(0.55) + fold * np.float32(0.6) - np.float32(0.26)) ** np.float32(1.15))


def ice_crystals(picture: Picture) -> Colours:
    """Freeze the picture into facets with white needles."""
    cells = find_cells(picture, 4.5)
    x, y = picture.grid
    bend_x, bend_y = x + (cells.x - x) * np.float32(0.75), y + (cells.y - y) * np.float32(0.75)
    inside = sample(blur(picture.tone, 1.2), bend_x, bend_y)
    facing = clamp(np.float32(0.5) + ((x - cells.x) * np.float32(0.6) - (y - cells.y)) * np.float32(0.07))
    bright = clamp(picture.tone - wide_blur(picture.tone, 5.0)) * 2
    needles = np.zeros_like(bright)
    for kernel in _NEEDLES:
        np.maximum(needles, cv2.filter2D(bright, cv2.CV_32F, kernel, borderType=cv2.BORDER_REFLECT), out=needles)
    rim = clamp(np.float32(1.2) - cells.gap) * np.float32(0.3)
    body = inside * (np.float32(0.55) + np.float32(0.5) * facing)
    return picture.paint(clamp(body + rim * (np.float32(0.3) + inside) + needles * np.float32(0.75)))


def _needle_kernels() -> list[Field]:
    kernels = []
    for turn in (0, 60, 120):
        kernel = np.zeros((17, 17), np.float32)
        dx, dy = 7 * np.cos(np.radians(turn + 90)), 7 * np.sin(np.radians(turn + 90))
        start, end = (round(8 - dx), round(8 - dy)), (round(8 + dx), round(8 + dy))
        cv2.line(kernel, start, end, 1.0, 1)
        kernels.append(kernel / kernel.sum() * np.float32(1.6))
    return kernels


_NEEDLES = _needle_kernels()


def lava_cracks(picture: Picture) -> Colours:
    """Break the picture into dark crust, with cracks that glow where it is light."""
    cells = find_cells(picture, 4.5)
    heat = clamp(blur(picture.tone, 2.0) * np.float32(1.25) - np.float32(0.08))
    width = np.float32(0.25) + heat * np.float32(2.3)
    crack = clamp((width - cells.gap) * np.float32(0.8) + np.float32(0.1))
    ridge = clamp(picture.edges - np.float32(0.4)) * heat
    crack = np.maximum(crack * (np.float32(0.25) + np.float32(0.75) * heat), ridge)
    halo = blur(crack, 3.0) * np.float32(0.45)
    crust = np.float32(0.07) + np.float32(0.1) * clamp(cells.gap / 4) * picture.tone
    return picture.paint(clamp(crust + crack * np.float32(0.95) + halo))


def iridescence(picture: Picture) -> Colours:
    """Spread a film of oil, whose colour turns with its thickness."""
    form = blur(picture.tone, 1.8 * picture.scale)
    thick = form * np.float32(9 * picture.density) + picture.form * np.float32(7)
    sheen = np.float32(0.3) + np.float32(0.7) * picture.tone
    if picture.table is not None and not picture.turning:
        return picture.paint(raised_cosine(thick)) * (np.float32(0.35) + np.float32(0.75) * sheen)[..., None]
    shift = np.array([0.0, 2.1, 4.2], np.float32)
    film = np.float32(0.5) + np.float32(0.5) * np.cos(thick[..., None] + shift)
    return in_range(film * sheen[..., None] * np.float32(1.1) + (picture.edges**2 * np.float32(0.3))[..., None])


STYLES = (
    Style(
        "turing",
        ("turing pattern", "reaction diffusion", "coral growth", "zebra growth"),
        turing,
        "04040c 10204a 18b8a0 f4f0d0 ffffff",
        keeps_edges=False,
    ),
    Style(
        "liquid chrome",
        ("liquid chrome", "chrome", "mercury", "liquid metal"),
        liquid_chrome,
        "020308 1c2438 7888a8 dfe8f4 ffffff",
    ),
    Style("flames", ("flames", "on fire", "blaze", "burning up"), flames, "000000 6a0800 e84a00 ffb020 fff6c8"),
    Style(
        "smoke",
        ("smoke", "wisps of smoke", "vapour", "fumes"),
        smoke,
        "000000 10141c 48546a b4bccc ffffff",
        keeps_edges=False,
    ),
    Style(
        "ice crystals",
        ("ice crystals", "frost", "frosted glass", "ice needles"),
        ice_crystals,
        "01040c 0a2c50 3a88c0 b4e4f8 ffffff",
    ),
    Style(
        "lava cracks",
        ("lava cracks", "cracked lava", "magma", "molten rock"),
        lava_cracks,
        "060405 2a0c06 d02800 ff9010 fff0a0",
    ),
    Style("iridescence", ("iridescent film", "oil slick", "soap film", "iridescence"), iridescence, None),
)
