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
    turn = np.float32(19) * form + np.float32(7) * light
    far = np.float32(reach) * (np.float32(0.6) + np.float32(0.4) * np.sin(np.float32(23) * form + 1))
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
    seeds_x, seeds_y = _seeds(picture, reach * picture.cell / 8)
    rows, columns = size[1] // picture.cell, size[0] // picture.cell
    near = np.full(x.shape, np.iinfo(np.int32).max, np.int32)
    second = near.copy()
    for index in range(9):
        part = np.s_[index // 3 : index // 3 + rows, index % 3 : index % 3 + columns]
        across, down = x - _spread(seeds_x[part], size), y - _spread(seeds_y[part], size)
        # Positive floats sort like their bits, so the lowest four bits can carry the number of the neighbour.
        key = ((across * across + down * down).view(np.int32) & ~15) | index
        np.minimum(second, np.maximum(near, key), out=second)
        np.minimum(near, key, out=near)
    row, column = (y // picture.cell).astype(np.int32), (x // picture.cell).astype(np.int32)
    places = [(row + (key & 15) // 3) * (columns + 2) + column + (key & 15) % 3 for key in (near, second)]
    nx, ny, ox, oy = (seeds.ravel()[place] for place in places for seeds in (seeds_x, seeds_y))
    apart = np.sqrt((ox - nx) ** 2 + (oy - ny) ** 2) + np.float32(0.1)
    gap = (second.view(np.float32) - near.view(np.float32)) / (2 * apart)
    return Cells(nx, ny, ox, oy, gap)
