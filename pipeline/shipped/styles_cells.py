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
    """Draw bright panes in lead. Lead is thick between different colours and thin inside an area."""
    cells = find_cells(picture, 4.0)
    flat = cv2.GaussianBlur(picture.colours, (0, 0), 2.5)
    pane = sample(flat, cells.x, cells.y)
    other = sample(flat, cells.other_x, cells.other_y)
    change = np.abs(pane - other).max(axis=2)
    width = np.float32(0.35) + np.float32(1.5) * clamp(change * np.float32(5))
    lead = clamp((cells.gap - width * np.float32(0.75)) * np.float32(1.3))
    rich = saturate(pane, 1.9)
    # Light falls through the middle of a pane.
    shine = np.float32(0.85) + np.float32(0.5) * clamp(cells.gap / 4)
    return in_range(np.clip(rich * np.float32(1.15) + np.float32(0.03), 0, 1) * (shine * lead)[..., None])


def mosaic(picture: Picture) -> Colours:
    """Draw square stones with lit upper edges, tilted by the light, in dark mortar."""
    cell = picture.cell
    stone = repeat_cells(cell_means(picture.colours, cell), cell)
    at = (np.arange(cell, dtype=np.float32) + np.float32(0.5)) / cell - np.float32(0.5)
    inside = np.float32(0.5) - np.maximum(np.abs(at[:, None]), np.abs(at[None, :]))
    mortar = clamp((inside * cell - np.float32(0.45)) * np.float32(1.1))
    bevel = clamp(1 - (inside * cell - np.float32(0.8)) / np.float32(1.6))
    facing = -np.where(np.abs(at[:, None]) > np.abs(at[None, :]), np.sign(at)[:, None], np.sign(at)[None, :])
    across, down = (repeat_cells(cell_means(part, cell), cell) for part in picture.gradient)
    shape = picture.light.shape
    tilt = (across * tile(np.tile(at, (cell, 1)), shape) + down * tile(np.tile(at[:, None], (1, cell)), shape)) * 9
    shade = (1 + tile(bevel * facing * np.float32(0.45), shape) + tilt) * tile(mortar, shape)
    return in_range(saturate(stone, 1.35) * shade[..., None])


def low_poly(picture: Picture) -> Colours:
    """Draw flat triangles, whose corners are drawn towards edges and whose shade follows their slope."""
    cell = picture.cell
    form = cv2.GaussianBlur(picture.light, (0, 0), 3.0)
    across = cv2.Sobel(form, cv2.CV_32F, 1, 0, scale=0.125)
    down = cv2.Sobel(form, cv2.CV_32F, 0, 1, scale=0.125)
    turn = cell_means(form, cell) * np.float32(17)
    strong = np.float32(60)
    dx = np.clip(cell_means(across, cell) * strong, -1, 1) * np.float32(1.8) + np.float32(1.3) * np.cos(turn)
    dy = np.clip(cell_means(down, cell) * strong, -1, 1) * np.float32(1.8) + np.float32(1.3) * np.sin(turn)
    size = (form.shape[1], form.shape[0])
    x, y = picture.grid
    u = (x + cv2.resize(dx, size) * (cell / 8)) / cell
    v = (y + cv2.resize(dy, size) * (cell / 8)) / cell
    column, row = np.floor(u), np.floor(v)
    upper = (u - column) + (v - row) < 1
    third = np.where(upper, np.float32(1 / 3), np.float32(2 / 3))
    at_x, at_y = (column + third) * cell, (row + third) * cell
    flat = cv2.GaussianBlur(picture.colours, (0, 0), 2.0)
    facet = sample(flat, at_x, at_y)
    slope = sample(np.dstack([across, down]), at_x, at_y)
    shade = 1 + np.float32(5) * (slope[..., 0] + slope[..., 1]) + np.where(upper, np.float32(0.09), np.float32(-0.09))
    return in_range(saturate(facet, 1.3) * shade[..., None])


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
    inks = picture.colours
    if picture.table is None:
        plates = 1 - saturate(inks, 1.7)
        colours = np.array([[0.0, 0.52, 0.95], [1.0, 0.2, 0.56], [1.0, 0.86, 0.0]], np.float32)
    else:
        dark = 1 - picture.tone
        middle = 1 - np.abs(dark - np.float32(0.55)) * np.float32(2.2)
        pale = 1 - np.abs(dark - np.float32(0.25)) * 3
        plates = np.clip(np.dstack([dark * 2 - np.float32(0.9), middle, pale]), 0, 1)
        colours = picture.table[[60, 128, 190]]
    plates = cv2.GaussianBlur(plates.astype(np.float32), (0, 0), 1.0)
    pitch = picture.cell
    moves = ((0.0, 0.0), (2.0, -1.0), (-2.0, 1.0))
    upright = (_screen(x, pitch / 2) + _screen(y, pitch / 2)) / 2
    screens = (_screen(x + y, pitch), _screen(x - y, pitch), upright)
    paper = np.array([0.98, 0.95, 0.88], np.float32)
    page = np.broadcast_to(paper, inks.shape).copy()
    for plate in (2, 1, 0):
        shifted = sample(plates[..., plate], x + np.float32(moves[plate][0]), y + np.float32(moves[plate][1]))
        cover = clamp(
            (shifted * np.float32(1.25) - np.float32(0.1) - screens[plate]) * 2 + np.float32(0.5)
        ) * np.float32(0.92)
        page *= 1 - cover[..., None] * (1 - colours[plate])
    return page


def pointillism(picture: Picture) -> Colours:
    """Paint dots of pure colour on a dark ground, with neighbours of warmer and colder hue."""
    half = 4
    means = saturate(cell_means(picture.colours, half), 1.8)
    rows, columns = means.shape[:2]
    warm = np.array([[[1.22, 1.0, 0.72], [0.78, 0.98, 1.25]], [[0.9, 1.18, 0.82], [1.15, 0.82, 1.12]]], np.float32)
    means = means * np.tile(warm, (-(-rows // 2), -(-columns // 2), 1))[:rows, :columns] * np.float32(1.2) + np.float32(
        0.03
    )
    at = np.arange(half, dtype=np.float32) - np.float32(1.5)
    away = np.hypot(at[:, None], at[None, :])
    radius = np.float32(1.0) + np.float32(1.15) * repeat_cells(cell_means(picture.tone, half), half)
    dot = clamp((radius - tile(away, picture.light.shape)) * np.float32(1.2) + np.float32(0.4))
    return in_range(repeat_cells(means, half) * dot[..., None])


def threads(picture: Picture) -> Colours:
    """Weave threads over and under one another, each shaded like a cord."""
    half = 4
    rows, columns = picture.light.shape
    x, y = np.arange(columns), np.arange(rows)
    over = ((x[None, :] // half + y[:, None] // half) % 2) == 0
    upright = np.cos((x % half - (half - 1) / 2) / half * np.pi).astype(np.float32)[None, :]
    level = np.cos((y % half - (half - 1) / 2) / half * np.pi).astype(np.float32)[:, None]
    rise_down = np.cos(((y % half) - (half - 1) / 2) / half * np.pi * 0.8).astype(np.float32)[:, None]
    rise_across = np.cos(((x % half) - (half - 1) / 2) / half * np.pi * 0.8).astype(np.float32)[None, :]
    shade = np.where(over, upright * rise_down, level * rise_across)
    warp = cv2.blur(picture.colours, (1, CELL))
    weft = cv2.blur(picture.colours, (CELL, 1))
    cloth = np.where(over[..., None], saturate(warp, 1.5), saturate(weft, 1.5) * np.float32(0.8))
    return in_range(cloth * (np.float32(1.35) * shade ** np.float32(1.3) - np.float32(0.08))[..., None])


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
    Style("risograph", ("risograph", "riso print", "misprint", "zine print"), risograph, None),
    Style("pointillism", ("pointillism", "dots of paint", "pointillist painting", "confetti dots"), pointillism, None),
    Style("woven threads", ("woven threads", "woven cloth", "textile", "tapestry"), threads, None),
)
