"""Canvas of a motif: pixel coordinates with position, rotation and scale. Also noise and point operations."""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

Field = NDArray[np.float32]
"""One value for each pixel, float32 ``[size, size]``. A finished motif has values from 0 (dark) to 1 (light)."""


@dataclass(frozen=True)
class Canvas:
    """Coordinates of every pixel, from −1 to 1 before the shift and rotation of `place_canvas`."""

    x: Field
    y: Field
    frequency: float
    """Spatial frequency relative to normal: about 0.6 for "sparse", 1.7 for "dense"."""
    rng: np.random.Generator

    @property
    def size(self) -> int:
        """Side in pixels."""
        return int(self.x.shape[0])

    def radius(self) -> Field:
        """Return the distance from the centre."""
        return np.sqrt(self.x * self.x + self.y * self.y) + np.float32(1e-4)

    def angle(self) -> Field:
        """Return the direction from the centre, −π to π."""
        return np.arctan2(self.y, self.x)

    def uniform(self, low: float, high: float) -> float:
        """Return a random number between `low` and `high`."""
        return float(self.rng.uniform(low, high))

    def count(self, low: int, high: int) -> int:
        """Return a random integer from `low` to `high`, both included."""
        return int(self.rng.integers(low, high + 1))


def place_canvas(rng: np.random.Generator, size: int, frequency: float, warp: float, upright: bool) -> Canvas:
    """Return a canvas with random shift and rotation (small if ``upright``), distorted by noise of amount ``warp``."""
    axis = np.linspace(-1.0, 1.0, size, dtype=np.float32)
    x, y = np.meshgrid(axis, axis)
    turn = rng.uniform(-0.12, 0.12) if upright else rng.uniform(-np.pi, np.pi)
    shift = rng.normal(0.0, 0.22, size=2).clip(-0.5, 0.5)
    cos, sin = np.float32(np.cos(turn)), np.float32(np.sin(turn))
    x, y = x - np.float32(shift[0]), y - np.float32(shift[1])
    x, y = cos * x - sin * y, sin * x + cos * y
    if warp > 0:
        x = x + np.float32(warp) * (smooth_noise(rng, size, 3) - np.float32(0.5))
        y = y + np.float32(warp) * (smooth_noise(rng, size, 3) - np.float32(0.5))
    return Canvas(x=x, y=y, frequency=frequency, rng=rng)


def smooth_noise(rng: np.random.Generator, size: int, cells: int, stretch: float = 1.0) -> Field:
    """Return value noise in 0..1 with about ``cells`` peaks across and ``cells / stretch`` down."""
    down = max(2, round(cells / stretch))
    coarse = rng.random((down + 3, cells + 3), dtype=np.float32)
    step_y, step_x = size * (down + 3) // down, size * (cells + 3) // cells
    fine = cv2.resize(coarse, (step_x, step_y), interpolation=cv2.INTER_CUBIC)
    return clamp(fine[(step_y - size) // 2 :, (step_x - size) // 2 :][:size, :size])


def layered_noise(rng: np.random.Generator, size: int, cells: int, octaves: int = 4, stretch: float = 1.0) -> Field:
    """Return fractal noise in 0..1. Each octave has twice the frequency and half the amplitude."""
    total = np.zeros((size, size), dtype=np.float32)
    for octave in range(octaves):
        total += np.float32(0.5**octave) * smooth_noise(rng, size, cells * 2**octave, stretch)
    return normalize(total)


def normalize(field: Field) -> Field:
    """Return the field scaled to the range 0..1."""
    low, high = float(field.min()), float(field.max())
    return ((field - np.float32(low)) / np.float32(max(high - low, 1e-6))).astype(np.float32)


def clamp(field: NDArray[np.floating]) -> Field:
    """Return the field clipped to 0..1."""
    clipped: Field = np.clip(field, 0, 1).astype(np.float32)
    return clipped


def soft_step(field: Field, width: float) -> Field:
    """Return a linear step: 0 below −width, 1 above +width."""
    return clamp(np.float32(0.5) + np.float32(0.5) * field / np.float32(width))


def raised_cosine(phase: NDArray[np.floating]) -> Field:
    """Return the cosine of `phase`, scaled to 0..1."""
    return np.float32(0.5) + np.float32(0.5) * np.cos(phase.astype(np.float32))


def remap(field: Field, x: Field, y: Field) -> Field:
    """Return the field sampled at pixel coordinates, mirrored at its edges."""
    result: Field = cv2.remap(
        field, x.astype(np.float32), y.astype(np.float32), cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101
    ).astype(np.float32)
    return result


def blur(field: Field, radius: float) -> Field:
    """Return the field after a Gaussian blur of `radius` pixels."""
    result: Field = cv2.GaussianBlur(field, (0, 0), radius).astype(np.float32)
    return result
