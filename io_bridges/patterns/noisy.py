"""Patterns of moving noise: clouds, flames, aurora."""

import math
from collections.abc import Callable

import numpy as np

from io_bridges.frames import Pixels
from io_bridges.lazy_imports import opencv
from io_bridges.patterns.canvas import Field, PatternCanvas, Plane, looked_up, mean, shade, table, times

TILE = 256
"""Side in pixels of a tile of noise, which continues at its opposite edge."""


def noise_tile(canvas: PatternCanvas, cells: int) -> Plane:
    """Return smooth noise uint8 [TILE, TILE] with `cells` bumps on a side. It is seamless and uses all levels."""
    cv2 = opencv()
    coarse = canvas.rng.uniform(0, 1, (cells, cells)).astype(np.float32)
    padded = np.pad(coarse, 3, mode="wrap")
    step = TILE // cells
    smooth = cv2.resize(padded, None, fx=step, fy=step, interpolation=cv2.INTER_CUBIC)[3 * step :, 3 * step :]
    tile = cv2.resize(smooth[: cells * step, : cells * step], (TILE, TILE), interpolation=cv2.INTER_LINEAR)
    return shade((tile - tile.min()) / (tile.max() - tile.min()))


class NoiseLayer:
    """One tile of noise, enlarged over a canvas and moved by fractions of a pixel."""

    def __init__(self, canvas: PatternCanvas, cells: int, size: tuple[float, float]) -> None:
        """Stretch the tile to `size`, width and height in units of the canvas."""
        self._tile = noise_tile(canvas, cells)
        self._step = np.array([TILE / (size[0] * canvas.unit), TILE / (size[1] * canvas.unit)])
        self._size = (canvas.width, canvas.height)
        self._per_unit = TILE / np.array(size)

    def at(self, x: float, y: float, out: Plane) -> Plane:
        """Write the noise, moved by x, y in units, into `out`, and return it."""
        cv2 = opencv()
        moved = -np.array([x, y]) * self._per_unit % TILE
        matrix = np.array([[self._step[0], 0, moved[0]], [0, self._step[1], moved[1]]])
        flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        return np.asarray(
            cv2.warpAffine(self._tile, matrix, self._size, dst=out, flags=flags, borderMode=cv2.BORDER_WRAP)
        )


class Clouds:
    """Banks of cloud that drift over each other."""

    def __init__(self, canvas: PatternCanvas) -> None:
        self._canvas, self._half = canvas, canvas.half()
        sizes = ((8, 6.0), (8, 3.1), (16, 3.0), (16, 1.5))
        self._layers = [NoiseLayer(self._half, cells, (size, size)) for cells, size in sizes]
        self._contrast = table(lambda level: np.clip((level - 0.3) * 2.4, 0, 1))

    def draw(self, time: float) -> Pixels:
        """Return the picture at a time in seconds."""
        total, one, _, _ = self._half.buffers
        for number, layer in enumerate(self._layers):
            x, y = 0.16 * time * (1 + 0.4 * number), 0.07 * time * math.sqrt(number) * (-1) ** number
            layer.at(x, y, one)
            mean(total, one, (1, 0.4, 0.2, 0.1)[number], total)
        return painted(self._canvas, looked_up(total, self._contrast, total))


class Flames:
    """A wall of fire that rises from the lower edge."""

    def __init__(self, canvas: PatternCanvas) -> None:
        self._canvas, self._half = canvas, canvas.half()
        self._tongues = NoiseLayer(self._half, 8, (2.6, 4.2))
        self._sparks = NoiseLayer(self._half, 16, (2.2, 3.0))
        self._heat = downwards(self._half, lambda depth: depth**1.1)
        self._burnt = table(lambda level: np.clip((level - 0.42) * 3.4, 0, 1))

    def draw(self, time: float) -> Pixels:
        """Return the picture at a time in seconds."""
        fire, one, _, _ = self._half.buffers
        self._tongues.at(0.12 * math.sin(0.8 * time), -1.1 * time, fire)
        self._sparks.at(0.1 * math.sin(1.3 * time), -1.9 * time, one)
        mean(fire, one, 0.4, fire)
        mean(fire, self._heat, 0.5, fire)
        return painted(self._canvas, looked_up(fire, self._burnt, fire))


class Aurora:
    """Curtains of light that wave over a night sky."""

    def __init__(self, canvas: PatternCanvas) -> None:
        self._canvas, self._half = canvas, canvas.half()
        self._folds = NoiseLayer(self._half, 16, (1.9, 9.0))
        self._bands = NoiseLayer(self._half, 8, (4.5, 3.2))
        self._sky = downwards(self._half, lambda depth: 1.15 - 0.9 * depth)
        self._curtain = table(lambda level: np.exp(-(((level - 0.52) * 5) ** 2)))

    def draw(self, time: float) -> Pixels:
        """Return the picture at a time in seconds."""
        light, one, _, _ = self._half.buffers
        self._bands.at(0.15 * time, 0.2 * math.sin(0.31 * time), light)
        looked_up(light, self._curtain, light)
        self._folds.at(-0.11 * time + 0.2 * math.sin(0.23 * time), 0.3 * time, one)
        times(light, one, light)
        return painted(self._canvas, times(light, self._sky, light))


def downwards(canvas: PatternCanvas, curve: Callable[[Field], Field]) -> Plane:
    """Return the brightness of a curve from 0 at the upper edge to 1 at the lower one."""
    depth = np.linspace(0, 1, canvas.height, dtype=np.float32)[:, np.newaxis]
    return shade(np.broadcast_to(curve(depth), (canvas.height, canvas.width)))


def painted(canvas: PatternCanvas, brightness: Plane) -> Pixels:
    """Return a plane of half the canvas' size in the canvas' size and colours."""
    return canvas.paint(canvas.enlarged(brightness, canvas.buffers[0]))
