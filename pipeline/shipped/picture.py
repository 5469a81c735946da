"""A source picture as styles see it: its colours, its light, and local measures of both. Also what a style is.

Every measure reaches at most 40 pixels, and none depends on the position of the crop, provided that crops are taken at
multiples of 8 pixels. A style drawn on a crop therefore equals the crop of the drawn style, except near borders.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.shipped.canvas import Field, blur, clamp

Colours = NDArray[np.float32]
"""RGB in 0..1, float32 ``[H, W, 3]``."""

CELL = 8
"""Period in pixels of every regular pattern, which is the pixel size of one latent."""


def luminance(colours: Colours) -> Field:
    """Return the luminance (ITU-R BT.601) of RGB colours."""
    light: Field = cv2.cvtColor(colours, cv2.COLOR_RGB2GRAY).astype(np.float32)
    return light


def wide_blur(field: NDArray[np.float32], radius: float) -> NDArray[np.float32]:
    """Return the field after a wide Gaussian blur, computed at a quarter of the size."""
    height, width = field.shape[:2]
    small = cv2.resize(field, (width // 4, height // 4), interpolation=cv2.INTER_AREA)
    small = cv2.GaussianBlur(small, (0, 0), radius / 4)
    result: NDArray[np.float32] = cv2.resize(small, (width, height), interpolation=cv2.INTER_LINEAR)
    return result


def cell_means(image: NDArray[np.float32], cell: int = CELL) -> NDArray[np.float32]:
    """Return the mean of each cell of ``cell × cell`` pixels, ``[H / cell, W / cell, ...]``."""
    height, width = image.shape[:2]
    result: NDArray[np.float32] = cv2.resize(image, (width // cell, height // cell), interpolation=cv2.INTER_AREA)
    return result


def repeat_cells(cells: NDArray[np.float32], cell: int = CELL) -> NDArray[np.float32]:
    """Return one value for each cell spread over the pixels of the cell."""
    return np.repeat(np.repeat(cells, cell, axis=0), cell, axis=1)


def tile(pattern: NDArray[np.floating], shape: tuple[int, ...]) -> Field:
    """Return a small pattern repeated over ``shape[:2]``, phase-locked to the upper left pixel."""
    rows, columns = pattern.shape[:2]
    repeats = (-(-shape[0] // rows), -(-shape[1] // columns))
    result: Field = np.tile(pattern.astype(np.float32), repeats)[: shape[0], : shape[1]]
    return result


def sample(image: NDArray[np.float32], x: Field, y: Field) -> NDArray[np.float32]:
    """Return the image at pixel coordinates, mirrored at its borders."""
    result: NDArray[np.float32] = cv2.remap(image, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101)
    return result


def in_range(colours: NDArray[np.floating]) -> Colours:
    """Return colours clipped to 0..1."""
    result: Colours = np.clip(colours, 0, 1).astype(np.float32, copy=False)
    return result


def saturate(colours: Colours, amount: float) -> Colours:
    """Return colours moved away from their grey by the factor ``amount``."""
    grey = luminance(colours)[..., None]
    return in_range(grey + (colours - grey) * np.float32(amount))


class Picture:
    """A source picture with the measures that styles use. All arrays are read, never written."""

    def __init__(
        self, source: Colours, table: Colours | None, turning: bool = False, scale: float = 1.0, density: float = 1.0
    ) -> None:
        self.source = source
        """Colours of the source."""
        self.light = luminance(source)
        self.table = table
        """Colours from dark to light, float32 ``[256, 3]``. None keeps the colours of the source."""
        self.turning = turning
        """True if the table is a wheel of hues, whose brightness is left to the tone."""
        self.scale = scale
        """Size of marks relative to normal: 0.6 for "fine", 1.6 for "coarse"."""
        self.density = density
        """Number of marks relative to normal: 0.65 for "sparse", 1.5 for "dense"."""

    @cached_property
    def colours(self) -> Colours:
        """Colours of the source, or its tone in the palette if there is one."""
        if self.table is not None:
            return self.paint(self.tone)
        lift = (self.tone + np.float32(0.02)) / (self.light + np.float32(0.05))
        return saturate(self.source * np.minimum(lift, np.float32(2.5))[..., None], 1.5)

    @cached_property
    def vivid(self) -> Colours:
        """Colours of the source at full brightness, for what is lit in its own colour."""
        smooth = cv2.GaussianBlur(self.source, (0, 0), 2.5)
        rich = saturate(smooth, 2.2) + np.float32(0.04)
        result: Colours = rich / np.maximum(rich.max(axis=2, keepdims=True), np.float32(0.08))
        return result

    def paint(self, tone: Field) -> Colours:
        """Return a tone in the colours of the palette, or lit in the colours of the source without one."""
        tone = clamp(tone)
        if self.table is None:
            lit = self.vivid * np.minimum(tone * np.float32(1.35), 1)[..., None]
            return in_range(lit + (1 - lit) * np.maximum(tone - np.float32(0.7), 0)[..., None] * np.float32(2.2))
        if self.turning:
            wheel = self.form * np.float32(1.7) + np.float32(0.25) * tone
            lit = self.table[((wheel % 1) * 255).astype(np.uint8)]
            lit = lit * np.minimum(tone * np.float32(1.25), 1)[..., None]
            return in_range(lit + np.maximum(tone - np.float32(0.8), 0)[..., None] * 2)
        return self.table[(tone * 255).astype(np.uint8)]

    @property
    def cell(self) -> int:
        """Period of regular patterns in pixels: 8, or 4 if the marks are fine."""
        return CELL if self.scale > 0.8 else CELL // 2

    @cached_property
    def grid(self) -> tuple[Field, Field]:
        """Pixel coordinates x and y."""
        height, width = self.light.shape
        x, y = np.meshgrid(np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32))
        return x, y

    @cached_property
    def smooth(self) -> Field:
        """Light without its fine detail."""
        return blur(self.light, 2.0 * self.scale)

    @cached_property
    def form(self) -> Field:
        """Light of large forms only, which is what displaces other patterns."""
        return wide_blur(self.light, 6.0)

    @cached_property
    def tone(self) -> Field:
        """Light with stretched local contrast, 0..1. Flat darkness stays dark."""
        mean = wide_blur(self.light, 8.0)
        spread = np.sqrt(wide_blur((self.light - mean) ** 2, 8.0))
        gain = np.float32(0.16) / (spread + np.float32(0.07))
        gain = np.clip(gain, 0.75, 1.9)
        # Contrast between large areas is kept and slightly deepened, so that blacks stay black.
        base = mean + np.float32(0.25) * (mean - np.float32(0.42))
        return clamp(base + (self.light - mean) * gain)

    @cached_property
    def gradient(self) -> tuple[Field, Field]:
        """Gradient of the slightly smoothed light in x and y, per pixel."""
        smooth = blur(self.light, 1.2 * self.scale)
        return (
            cv2.Sobel(smooth, cv2.CV_32F, 1, 0, scale=0.125),
            cv2.Sobel(smooth, cv2.CV_32F, 0, 1, scale=0.125),
        )

    @cached_property
    def edges(self) -> Field:
        """Strength of edges in any of the three colours, 0..1, relative to the contrast around them."""
        smooth = cv2.GaussianBlur(self.source, (0, 0), 1.1 * self.scale)
        across = cv2.Sobel(smooth, cv2.CV_32F, 1, 0, scale=0.25)
        down = cv2.Sobel(smooth, cv2.CV_32F, 0, 1, scale=0.25)
        strength = np.sqrt((across * across + down * down).max(axis=2))
        around = wide_blur(strength, 8.0)
        return clamp(strength / (np.float32(0.05 / self.scale) + np.float32(1.6) * around) * np.float32(0.55))

    @cached_property
    def flow(self) -> tuple[Field, Field]:
        """Smooth unit-free displacement along contours of the large forms, about −1..1 in x and y."""
        form = wide_blur(self.light, 5.0)
        across = cv2.Sobel(form, cv2.CV_32F, 1, 0, scale=0.125)
        down = cv2.Sobel(form, cv2.CV_32F, 0, 1, scale=0.125)
        length = np.sqrt(across * across + down * down) + np.float32(0.006)
        return -down / length, across / length


@dataclass(frozen=True)
class Style:
    """One way to redraw a source."""

    name: str
    words: tuple[str, ...]
    """Names in captions, the most common first."""
    draw: Callable[[Picture], Colours]
    natural: str | None
    """Ramp of the style without a palette, hexadecimal colours from dark to light. None keeps the source's colours."""
    keeps_edges: bool = True
    """True if edges of the source are edges of the drawn picture."""
