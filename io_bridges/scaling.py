"""Scaling for sinks: by area where a picture is shrunk, by Lanczos' filter where it is enlarged, as far as time allows.

Lanczos' filter has eight points here, as OpenCV's ``INTER_LANCZOS4`` has. It is computed in float32, which takes a
third of the time of OpenCV's 8-bit code and differs by one level at most.
"""

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from io_bridges.frames import Pixels
from io_bridges.lazy_imports import opencv
from io_bridges.pixels import read_only, scale

ScaleMode = Literal["auto", "lanczos", "linear"]

MOST_PIXELS = 1280 * 1024
"""Pixels of the larger of both pictures up to which ``auto`` takes the slow filters.

On one core of an AMD EPYC, Lanczos to 1280x720 takes half of the time between two pictures at 60 Hz, to 1920x1080 more
than all of it.
"""


class Scaler:
    """Scales the pictures of one sink. It keeps the memory in between, so use it on one thread."""

    def __init__(self, mode: ScaleMode = "auto") -> None:
        """
        Args:
            mode: ``lanczos`` is area and Lanczos at any size, ``linear`` is `io_bridges.pixels.scale`. ``auto`` is
                the first up to `MOST_PIXELS`. Beyond them it enlarges by a cubic filter and shrinks as ``linear`` does.
        """
        self._mode = mode
        self._inner: NDArray[np.float32] = np.empty((0, 0, 3), np.float32)
        self._outer: NDArray[np.float32] = np.empty((0, 0, 3), np.float32)

    def scale(self, pixels: Pixels, width: int, height: int) -> Pixels:
        """Return RGB [height, width, 3], read-only, from RGB uint8 [H, W, 3]."""
        rows, columns = pixels.shape[:2]
        if (columns, rows) == (width, height):
            return read_only(pixels)
        if self._mode == "linear":
            return scale(pixels, width, height)
        # A picture that is distorted may be shrunk one way and enlarged the other.
        shrunk = scaled = pixels
        small = min(width, columns), min(height, rows)
        is_slow = self._mode == "auto" and max(rows * columns, width * height) > MOST_PIXELS
        if small != (columns, rows):
            shrunk = scaled = scale(pixels, *small) if is_slow else self._by_area(pixels, *small)
        if small != (width, height):
            cv2 = opencv()
            if is_slow:
                scaled = cv2.resize(shrunk, (width, height), interpolation=cv2.INTER_CUBIC)
            else:
                scaled = self._in_floats(shrunk, width, height, cv2.INTER_LANCZOS4)
        return read_only(scaled)

    def _by_area(self, pixels: Pixels, width: int, height: int) -> Pixels:
        cv2 = opencv()
        if pixels.shape[0] % height == 0 and pixels.shape[1] % width == 0:
            whole: Pixels = cv2.resize(pixels, (width, height), interpolation=cv2.INTER_AREA)  # OpenCV's fast path
            return whole
        return self._in_floats(pixels, width, height, cv2.INTER_AREA)

    def _in_floats(self, pixels: Pixels, width: int, height: int, interpolation: int) -> Pixels:
        """Return a new picture, scaled in float32, rounded and clamped."""
        cv2 = opencv()
        if self._inner.shape != pixels.shape:
            self._inner = np.empty(pixels.shape, np.float32)
        if self._outer.shape[:2] != (height, width):
            self._outer = np.empty((height, width, 3), np.float32)
        np.copyto(self._inner, pixels)
        cv2.resize(self._inner, (width, height), dst=self._outer, interpolation=interpolation)
        # A sum of another type is rounded and clamped. convertScaleAbs would make negative values positive.
        rounded: Pixels = cv2.add(self._outer, 0.0, dtype=cv2.CV_8U)
        return rounded
