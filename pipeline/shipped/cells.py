"""Cells around seeds that start on a grid of 8 pixels and are moved by the source."""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.shipped.canvas import Field
from pipeline.shipped.picture import Picture, cell_means


@dataclass(frozen=True)
class Cells:
    """Nearest and second nearest seed of every pixel."""

    x: Field
    y: Field
    """Position of the nearest seed in pixels."""
    other_x: Field
    other_y: Field
    """Position of the second nearest seed in pixels."""
    gap: Field
    """Distance to the border with the second cell in pixels."""


def _spread(cells: NDArray[np.float32], size: tuple[int, int]) -> Field:
    result: Field = cv2.resize(cells, size, interpolation=cv2.INTER_NEAREST)
    return result


def _seeds(picture: Picture, reach: float) -> tuple[Field, Field]:
    """Return seed positions x and y, one for each cell and for a frame of cells around the picture.

    The light of a cell decides the place of its seed.
    """
    cell = picture.cell
    light = cell_means(picture.smooth, cell)
    form = cell_means(picture.form, cell)
    rows, columns = light.shape
    turn = np.float32(29) * form + np.float32(9) * light
    far = np.float32(reach) * (np.float32(0.6) + np.float32(0.4) * np.sin(np.float32(41) * form + 1))
    dx, dy = (
        cv2.copyMakeBorder(part, 1, 1, 1, 1, cv2.BORDER_REPLICATE)
        for part in (far * np.cos(turn), far * np.sin(turn * np.float32(1.31)))
    )
    x = (np.arange(-1, columns + 1, dtype=np.float32)[None, :] + np.float32(0.5)) * cell + dx
    y = (np.arange(-1, rows + 1, dtype=np.float32)[:, None] + np.float32(0.5)) * cell + dy
    return x, y


def find_cells(picture: Picture, reach: float = 4.0) -> Cells:
    """Return the cells of a picture, whose seeds are moved by up to ``reach`` pixels."""
    x, y = picture.grid
    size = (picture.light.shape[1], picture.light.shape[0])
    seeds = _seeds(picture, reach * picture.cell / 8)
    rows, columns = size[1] // picture.cell, size[0] // picture.cell
    near = np.full_like(x, 1e6)
    second = np.full_like(x, 2e6)
    nx, ny, ox, oy = (np.zeros_like(x) for _ in range(4))
    for down in range(3):
        for across in range(3):
            part = np.s_[down : down + rows, across : across + columns]
            sx, sy = _spread(seeds[0][part], size), _spread(seeds[1][part], size)
            away = (x - sx) ** 2 + (y - sy) ** 2
            first = away < near
            middle = (away < second) & ~first
            for target, old, new in ((ox, nx, sx), (oy, ny, sy), (second, near, away)):
                np.copyto(target, old, where=first)
                np.copyto(target, new, where=middle)
            for target, new in ((nx, sx), (ny, sy), (near, away)):
                np.copyto(target, new, where=first)
    apart = np.sqrt((ox - nx) ** 2 + (oy - ny) ** 2) + np.float32(0.1)
    return Cells(nx, ny, ox, oy, ((second - near) / (2 * apart)).astype(np.float32))
