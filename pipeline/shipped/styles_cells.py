"""Styles that divide the picture into cells: panes, tiles, dots and threads."""

import cv2
import numpy as np

from pipeline.shipped.canvas import Field, blur, clamp, raised_cosine
from pipeline.shipped.cells import find_cells
from pipeline.shipped.picture import (
    CELL,
    Colours,
    Picture,
    Style,
    cell_means,
    in_range,
    repeat_cells,
    sample,
    saturate,
    tile,
)

TAU = 2 * np.pi


def stained_glass(picture: Picture) -> Colours:
    """Draw bright panes in lead, which is thick between different colours and faint inside an area."""
    cells = find_cells(picture, 4.0)
    flat = cv2.medianBlur((picture.colours * np.float32(255)).astype(np.uint8), 7)
    flat = cv2.GaussianBlur(flat.astype(np.float32) / np.float32(255), (0, 0), 1.5)
    pane = sample(flat, cells.x, cells.y)
    change = np.abs(pane - sample(flat, cells.other_x, cells.other_y)).max(axis=2)
    apart = clamp((change - np.float32(0.03)) * np.float32(7))
    lead = clamp(
        (cells.gap - np.float32(0.35) - np.float32(1.15) * apart) * np.float32(1.2) + np.float32(0.5) * (1 - apart)
    )
    shine = np.float32(0.8) + np.float32(0.5) * clamp(cells.gap / 5)
    rich = saturate(pane * np.float32(1.25) + np.float32(0.03), 2.1)
    return in_range(rich * (shine * clamp(lead))[..., None])


def mosaic(picture: Picture) -> Colours:
    """Draw square glass stones with lit upper edges, tilted by the light, in dark mortar."""
    cell = picture.cell
    stone = saturate(repeat_cells(cell_means(picture.colours, cell), cell), 1.7)
    at = (np.arange(cell, dtype=np.float32) + np.float32(0.5)) / cell - np.float32(0.5)
    inside = np.float32(0.5) - np.maximum(np.abs(at[:, None]), np.abs(at[None, :]))
    mortar = clamp((inside * cell - np.float32(0.3)) * np.float32(1.3))
    bevel = clamp(1 - (inside * cell - np.float32(0.6)) / np.float32(1.6))
    facing = -np.where(np.abs(at[:, None]) > np.abs(at[None, :]), np.sign(at)[:, None], np.sign(at)[None, :])
    shape = picture.light.shape
    across, down = (repeat_cells(cell_means(part, cell), cell) for part in picture.gradient)
    tilt = (across * tile(np.tile(at, (cell, 1)), shape) + down * tile(np.tile(at[:, None], (1, cell)), shape)) * 14
    shade = (np.float32(1.22) + tile(bevel * facing * np.float32(0.55), shape) + tilt) * tile(mortar, shape)
    glint = np.exp(-(((at[:, None] + 0.22) ** 2 + (at[None, :] + 0.22) ** 2) * 60))
    shine = tile(glint, shape) * repeat_cells(cell_means(picture.tone, cell), cell) * np.float32(0.3)
    return in_range(stone * shade[..., None] + shine[..., None])


def low_poly(picture: Picture) -> Colours:
    """Cut the picture into flat facets, whose shade follows the direction of their slope."""
    form = blur(picture.tone, 3.0 * picture.scale)
    across = cv2.Sobel(form, cv2.CV_32F, 1, 0, scale=0.125)
    down = cv2.Sobel(form, cv2.CV_32F, 0, 1, scale=0.125)
    size = (form.shape[1], form.shape[0])
    cell = CELL
    x, y = picture.grid
    turn = cell_means(form, cell) * np.float32(21)
    dx, dy = np.float32(3.4) * np.cos(turn), np.float32(3.4) * np.sin(turn)
    u, v = (x + cv2.resize(dx, size)) / cell, (y + cv2.resize(dy, size)) / cell
    column, row = np.floor(u), np.floor(v)
    left, top = u - column, v - row
    # The diagonal of a cell runs along the contour, so that an edge is not cut into steps.
    slant = sample(across * down, (column + np.float32(0.5)) * cell, (row + np.float32(0.5)) * cell) < 0
    upper = np.where(slant, left > top, left + top < 1)
    third_x = np.where(upper == slant, np.float32(2 / 3), np.float32(1 / 3))
    third_y = np.where(upper, np.float32(1 / 3), np.float32(2 / 3))
    at_x, at_y = (column + third_x) * cell, (row + third_y) * cell
    facet = sample(cv2.GaussianBlur(picture.colours, (0, 0), 2.5), at_x, at_y)
    slope = sample(np.dstack([across, down]), at_x, at_y)
    angle = np.arctan2(slope[..., 1], slope[..., 0])
    facing = np.cos(np.round(angle * np.float32(6 / TAU)) * np.float32(TAU / 6) - np.float32(0.8))
    steep = clamp(np.hypot(slope[..., 0], slope[..., 1]) * 22)
    shade = 1 + np.float32(0.42) * facing * steep + np.where(upper, np.float32(0.06), np.float32(-0.06))
    return in_range(saturate(facet, 1.6) * shade[..., None])


def _screen(along: Field, pitch: float) -> Field:
    return raised_cosine(along * np.float32(TAU / pitch))


def halftone(picture: Picture) -> Colours:
    """Draw a newspaper screen of diagonal dots that grow with the light."""
    x, y = picture.grid
    pitch = picture.cell
    screen = (_screen(x + y, pitch) + _screen(x - y, pitch)) / 2
    light = blur(picture.tone, 1.6)
    return picture.paint(
        clamp((light * np.float32(1.12) - np.float32(0.04) - screen) * np.float32(3.2) + np.float32(0.5))
    )


def risograph(picture: Picture) -> Colours:
    """Print three bright inks on paper, each with its own screen and slightly out of register."""
    x, y = picture.grid
    if picture.table is None or picture.turning:
        plates = 1 - saturate(picture.colours, 1.8)
        inks = np.array([[0.0, 0.52, 0.95], [1.0, 0.2, 0.56], [1.0, 0.86, 0.0]], np.float32)
    else:
        dark = 1 - picture.tone
        middle = np.float32(1.05) - np.abs(dark - np.float32(0.52)) * np.float32(2.3)
        pale = np.float32(1.0) - np.abs(dark - np.float32(0.26)) * np.float32(2.8)
        plates = np.dstack([dark * np.float32(2.1) - np.float32(0.95), middle, pale])
        inks = picture.table[[58, 128, 200]]
    plates = cv2.GaussianBlur(np.clip(plates, 0, 1).astype(np.float32), (0, 0), 1.0)
    pitch = picture.cell
    upright = (_screen(x, pitch / 2) + _screen(y, pitch / 2)) / 2
    screens = (_screen(x + y, pitch), _screen(x - y, pitch), upright)
    moves = ((0.0, 0.0), (2.0, -1.0), (-2.0, 1.0))
    page: Colours = np.broadcast_to(np.array([0.99, 0.96, 0.9], np.float32), picture.source.shape)
    for plate in (2, 1, 0):
        shifted = sample(plates[..., plate], x + np.float32(moves[plate][0]), y + np.float32(moves[plate][1]))
        over = shifted * np.float32(1.25) - np.float32(0.1) - screens[plate]
        cover = clamp(over * 2 + np.float32(0.5)) * np.float32(0.94)
        page = page * (1 - cover[..., None] * (1 - inks[plate]))
    return in_range(page)


def pointillism(picture: Picture) -> Colours:
    """Paint round dots of pure colour on a dark ground, every second dot of a colder hue."""
    soft = cv2.GaussianBlur(picture.colours, (0, 0), 1.5)
    x, y = picture.grid
    page = saturate(soft, 1.4) * np.array([0.34, 0.3, 0.42], np.float32)
    tints = np.array([[1.35, 1.02, 0.7], [0.72, 1.0, 1.4]], np.float32)
    for tint, offset in zip(tints, (1.5, 5.5), strict=True):
        at_x = (x - np.float32(offset)) / CELL
        at_y = (y - np.float32(offset)) / CELL
        centre_x: Field = (np.round(at_x) * CELL + np.float32(offset)).astype(np.float32)
        centre_y: Field = (np.round(at_y) * CELL + np.float32(offset)).astype(np.float32)
        dab = sample(np.dstack([soft, picture.tone]), centre_x, centre_y)
        radius = np.float32(1.9) + np.float32(1.4) * dab[..., 3]
        dot = clamp((radius * np.float32(picture.scale**0.5) - np.hypot(x - centre_x, y - centre_y)) * np.float32(1.3))
        colour = saturate(in_range(dab[..., :3] * tint * np.float32(1.3) + np.float32(0.04)), 1.7)
        page = page + (colour - page) * dot[..., None]
    return in_range(page)


def threads(picture: Picture) -> Colours:
    """Lay slanted threads of one colour each, whose rows meet in the points of a herringbone."""
    rows, columns = picture.light.shape
    at = np.arange(CELL, dtype=np.float32)
    lean = np.float32(1.5) * np.abs(at - np.float32(3.5))[None, :]
    across = (at[:, None] - lean) % CELL
    strand = np.abs(np.sin(np.pi * (across + np.float32(0.5)) / CELL)) ** np.float32(1.2)
    side = np.sin(np.pi * (at % 4 + np.float32(0.5)) / 4)[None, :] ** np.float32(0.6)
    # A thread is lit from its left, and fine fibres run along it.
    fibre = np.float32(0.92) + np.float32(0.08) * np.cos(across * np.float32(np.pi))
    lit = strand * side * fibre * np.where(at < 4, np.float32(1.12), np.float32(0.86))[None, :]
    x, y = picture.grid
    middle = (np.floor(x / 4) + np.float32(0.5)) * 4 - np.float32(0.5)
    along = y - tile(across - np.float32(3.5), (rows, columns))
    wool = sample(cv2.GaussianBlur(picture.colours, (0, 0), 1.5), middle, along)
    shade = np.float32(0.1) + np.float32(1.45) * tile(lit, (rows, columns))
    return in_range(saturate(wool, 1.75) * shade[..., None])


STYLES = (
    Style("stained glass", ("stained glass", "church window", "leaded glass", "glass panes"), stained_glass, None),
    Style("mosaic", ("mosaic", "roman mosaic", "tiles", "tesserae"), mosaic, None),
    Style("low poly", ("low poly", "polygons", "triangles", "facets"), low_poly, None),
    Style(
        "halftone",
        ("halftone", "newspaper print", "comic dots", "screen print"),
        halftone,
        "0a0a1e 1a1440 ffd800 ffe860",
    ),
    Style(
        "risograph",
        ("risograph", "riso print", "misprint", "zine print"),
        risograph,
        "0a1450 2036d0 ff3f8c ffa040 ffe23c",
    ),
    Style("pointillism", ("pointillism", "dots of paint", "pointillist painting", "confetti dots"), pointillism, None),
    Style("woven threads", ("woven threads", "knitted wool", "textile", "tapestry"), threads, None),
)
