"""Canvas of the moving patterns: coordinates, wrapping phases, tables of brightness, and colour.

A phase is uint8, with 256 levels to a cycle, so that adding to it wraps around by itself. A table turns phases into
brightness. Both are computed once; a frame costs a few additions and look-ups over buffers that are used again.
"""

import colorsys
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from io_bridges.frames import Pixels
from io_bridges.lazy_imports import opencv

Plane = NDArray[np.uint8]
"""uint8 [H, W]: a phase, or a brightness from 0 (dark) to 255."""
Table = NDArray[np.uint8]
"""uint8 [256]: a brightness for each phase."""
Field = NDArray[np.floating[Any]]
"""Coordinates, cycles or brightness as numbers, [H, W] or fewer."""

TAU = 2 * np.pi
BUFFERS = 4
"""Planes that a pattern may write to while it draws."""

# Hues in turns from dark to bright, and the saturation of the bright end.
_COLOURS = (
    (0.74, 0.88, 0.08, 0.35),  # violet, pink, orange
    (0.62, 0.52, 0.45, 0.25),  # blue, cyan, mint
    (0.98, 0.06, 0.14, 0.45),  # red, orange, yellow
    (0.45, 0.33, 0.20, 0.40),  # teal, green, yellow
    (0.85, 0.65, 0.52, 0.15),  # magenta, blue, ice
    (0.08, 0.95, 0.80, 0.30),  # amber, rose, lilac
)


class PatternCanvas:
    """Size, random numbers, buffers and colours of one pattern."""

    def __init__(self, width: int, height: int, seed: int) -> None:
        self.width, self.height = width, height
        self.unit = min(width, height) / 2
        """Pixels from the centre to the nearer edge, which is 1 in coordinates."""
        self._seed = seed
        self.rng = np.random.default_rng(seed)
        self.buffers: tuple[Plane, ...] = tuple(np.empty((height, width), np.uint8) for _ in range(BUFFERS))
        self._gradient = gradient(_COLOURS[seed % len(_COLOURS)])

    def coordinates(self, margin: float = 0.0) -> tuple[Field, Field]:
        """Return x [1, W] and y [H, 1] from the centre, y downwards. The nearer edge is at 1.

        `margin` adds that much on every side, for fields that roam.
        """
        more = round(margin * self.unit)
        columns = np.arange(-more, self.width + more, dtype=np.float32)
        rows = np.arange(-more, self.height + more, dtype=np.float32)
        x = (columns + 0.5 - self.width / 2) / self.unit
        y = (rows + 0.5 - self.height / 2) / self.unit
        return x[np.newaxis].astype(np.float32), y[:, np.newaxis].astype(np.float32)

    def polar(self, margin: float = 0.0) -> tuple[Field, Field]:
        """Return the distance from the centre and the angle in turns, [H, W]; `margin` is as in `coordinates`."""
        x, y = self.coordinates(margin)
        return np.hypot(x, y), (np.arctan2(y, x) / TAU).astype(np.float32)

    def window(self, field: Plane, x: float, y: float) -> Plane:
        """Return the view [H, W] of a field with a margin whose centre is at x, y of the picture."""
        rows, columns = field.shape[0] - self.height, field.shape[1] - self.width
        top = min(max(round(rows / 2 - y * self.unit), 0), rows)
        left = min(max(round(columns / 2 - x * self.unit), 0), columns)
        return field[top : top + self.height, left : left + self.width]

    def half(self) -> "PatternCanvas":
        """Return a canvas of half the size, for patterns so smooth that `enlarged` shows no difference."""
        return PatternCanvas(-(-self.width // 2), -(-self.height // 2), self._seed)

    def enlarged(self, brightness: Plane, out: Plane) -> Plane:
        """Write a plane of another size, enlarged to the canvas, into `out`, and return it."""
        cv2 = opencv()
        size = (self.width, self.height)
        return np.asarray(cv2.resize(brightness, size, dst=out, interpolation=cv2.INTER_LINEAR))

    def paint(self, brightness: Plane) -> Pixels:
        """Return RGB [H, W, 3] of its own with the canvas' colours, from black over dark to bright."""
        colours: Pixels = opencv().applyColorMap(brightness, self._gradient)
        return colours


def phase(cycles: Field) -> Plane:
    """Return cycles as a phase: only the part after the point counts."""
    return ((cycles - np.floor(cycles)) * 256).astype(np.int32).astype(np.uint8)


def shade(field: Field) -> Plane:
    """Return a brightness from 0 to 1 as levels."""
    return np.round(np.clip(field, 0, 1) * 255).astype(np.uint8)


def table(curve: Callable[[Field], Field]) -> Table:
    """Return the table of a curve, which takes phases from 0 to 1 and gives brightness from 0 to 1."""
    return shade(curve((np.arange(256, dtype=np.float32) + 0.5) / 256))


def wave(cycles: Field, sharpness: float = 1.0) -> Field:
    """Return a raised cosine, bright at 0 and 1; a higher `sharpness` makes thinner crests."""
    return np.asarray((0.5 + 0.5 * np.cos(TAU * cycles)) ** sharpness)


def square(cycles: Field, softness: float = 0.04) -> Field:
    """Return a square wave, bright in the first half, with edges `softness` of a cycle wide."""
    return np.asarray(np.clip(0.5 + np.sin(TAU * cycles) / (TAU * softness), 0, 1))


def shifted(source: Plane, cycles: float, out: Plane) -> Plane:
    """Write a phase that is `cycles` further into `out`, and return it."""
    return np.add(source, np.uint8(int(cycles * 256) % 256), out=out)


def looked_up(phases: Plane, values: Table, out: Plane) -> Plane:
    """Write the brightness of each phase into `out`, which may be `phases`, and return it."""
    return np.asarray(opencv().LUT(phases, values, dst=out))


def planes_sum(across: Field, down: Field, out: Plane) -> Plane:
    """Write the phase ``across[x] + down[y]`` into `out`, and return it. Both are in cycles, [1, W] and [H, 1]."""
    return np.add(phase(across), phase(down), out=out)


def times(one: Plane, other: Plane, out: Plane) -> Plane:
    """Write the product of two brightnesses into `out`, and return it."""
    return np.asarray(opencv().multiply(one, other, dst=out, scale=1 / 255))


def mean(one: Plane, other: Plane, share: float, out: Plane) -> Plane:
    """Write the mix of two planes into `out`, with `share` of the other one, and return it."""
    return np.asarray(opencv().addWeighted(one, 1 - share, other, share, 0, dst=out))


def spread(numbers: Field, salt: float | Field) -> Field:
    """Return values from 0 to 1 that look random, the same for the same numbers."""
    mixed = np.sin(numbers * 12.9898 + salt * 78.233) * 43758.5453
    return np.asarray(mixed - np.floor(mixed))


def gradient(colours: Sequence[float]) -> Pixels:
    """Return the table [256, 1, 3] from black over three hues to a bright colour of little saturation."""
    first, second, third, saturation = colours
    stops = [
        (0.0, (0.0, 0.0, 0.02)),
        (0.25, colorsys.hsv_to_rgb(first, 0.95, 0.45)),
        (0.55, colorsys.hsv_to_rgb(second, 0.85, 0.9)),
        (0.8, colorsys.hsv_to_rgb(third, 0.75, 1.0)),
        (1.0, colorsys.hsv_to_rgb(third, saturation, 1.0)),
    ]
    places = [place for place, _ in stops]
    levels = np.linspace(0, 1, 256)
    channels = [np.interp(levels, places, [colour[channel] for _, colour in stops]) for channel in range(3)]
    return np.round(np.stack(channels, axis=-1)[:, np.newaxis] * 255).astype(np.uint8)
