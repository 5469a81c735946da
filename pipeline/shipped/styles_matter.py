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
    """Pour mirror metal over the forms: bands of sky, horizon and ground reflected by the slope."""
    form = blur(picture.tone, 3.0 * picture.scale)
    across = cv2.Sobel(form, cv2.CV_32F, 1, 0, scale=0.125)
    down = cv2.Sobel(form, cv2.CV_32F, 0, 1, scale=0.125)
    angle = form * np.float32(13 * picture.density) + down * np.float32(45) + across * np.float32(18)
    sky = np.float32(0.42) + np.float32(0.36) * np.sin(angle) + np.float32(0.2) * np.sin(2 * angle + np.float32(1.3))
    horizon = raised_cosine(angle - np.float32(2.4)) ** 8
    glint = clamp((-across - down) * np.float32(26) - np.float32(0.35))
    return picture.paint(clamp(sky - np.float32(0.45) * horizon + glint * np.float32(0.75)))


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
    """Dissolve the picture into luminous wisps that rise and curl around its forms."""
    x, y = picture.grid
    flow = np.dstack(picture.flow)
    body = picture.tone * np.float32(0.75) + picture.edges * np.float32(0.4)
    total = body.copy()
    px, py = x, y
    for _ in range(8):
        curl = sample(flow, px, py)
        px = px + curl[..., 0] * np.float32(3.0)
        py = py + curl[..., 1] * np.float32(3.0) + np.float32(1.6)
        total += sample(body, px, py)
    wisp: Field = (total / 9).astype(np.float32)
    fold = wisp - wide_blur(wisp, 5.0)
    dense = clamp(wisp * np.float32(0.95) + fold * np.float32(3.0) - np.float32(0.04))
    return picture.paint(dense ** np.float32(0.85) * np.float32(1.1))


def ice_crystals(picture: Picture) -> Colours:
    """Freeze the picture under needles of frost in three directions, with fine branches."""
    tone = picture.tone
    bright = np.maximum(tone - wide_blur(tone, 4.0), 0) * np.float32(2.2) + picture.edges * np.float32(0.5)
    needles = np.zeros_like(bright)
    facets = np.zeros_like(bright)
    for long, side in _NEEDLES:
        spike = cv2.filter2D(bright, cv2.CV_32F, long, borderType=cv2.BORDER_REFLECT)
        sharp = np.maximum(spike - cv2.filter2D(spike, cv2.CV_32F, side, borderType=cv2.BORDER_REFLECT), 0)
        np.maximum(needles, sharp, out=needles)
        np.maximum(facets, spike, out=facets)
    frost = clamp(needles * np.float32(4.5))
    body = blur(tone, 1.5) * np.float32(0.52) + clamp(facets) * np.float32(0.25)
    return picture.paint(clamp(body + frost * (np.float32(0.25) + np.float32(0.6) * tone)))


def _needle_kernels() -> list[tuple[Field, Field]]:
    """Return a line along each of three directions, 60° apart, and a shorter line across it."""
    kernels = []
    for turn in (30, 90, 150):
        pair = []
        for angle, half in ((turn, 9), (turn + 90, 3)):
            kernel = np.zeros((19, 19), np.float32)
            dx, dy = half * np.cos(np.radians(angle)), half * np.sin(np.radians(angle))
            cv2.line(kernel, (round(9 - dx), round(9 - dy)), (round(9 + dx), round(9 + dy)), 1.0, 1)
            pair.append(kernel / kernel.sum())
        kernels.append((pair[0], pair[1]))
    return kernels


_NEEDLES = _needle_kernels()


def lava_cracks(picture: Picture) -> Colours:
    """Break the picture into dark crust, with cracks that glow where it is light."""
    cells = find_cells(picture, 4.5)
    heat = clamp(blur(picture.tone, 2.0) * np.float32(1.25) - np.float32(0.1))
    width = np.float32(0.15) + heat * np.float32(1.5)
    crack = clamp((width - cells.gap) * np.float32(0.8) + np.float32(0.1)) * (
        np.float32(0.15) + np.float32(0.75) * heat
    )
    rim = clamp((picture.edges - np.float32(0.4)) * np.float32(1.4)) * (np.float32(0.3) + np.float32(0.7) * heat)
    crack = np.maximum(crack, rim)
    halo = wide_blur(crack, 4.0) * np.float32(0.5)
    crust = np.float32(0.04) + np.float32(0.16) * clamp(cells.gap / 4) * picture.tone
    return picture.paint(clamp(crust + crack * np.float32(0.9) + halo * (np.float32(0.35) + heat * np.float32(0.5))))


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
        keeps_edges=False,
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
        keeps_edges=False,
    ),
    Style("iridescence", ("iridescent film", "oil slick", "soap film", "iridescence"), iridescence, None),
)
