"""`SourcePath`: how far the source has moved on, as a sum of the changes from picture to picture."""

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.similar_frame_filter import evenly_spaced

TILES = 8
"""Tiles along each side of a picture. The tile that changes most counts, so that a small thing that moves does too."""
ALL = 100.0
"""Change of a picture that has none before it, in percent."""


class SourcePath:
    """The changes of one source. For one thread. No memory of a picture's size is allocated for a picture.

    By the triangle inequality two pictures differ in no tile by more than their places on the path, so that no earlier
    picture but the last has to be kept.
    """

    def __init__(self, width: int, height: int) -> None:
        self._rows, self._columns = evenly_spaced(height), evenly_spaced(width)
        shape = len(range(height)[self._rows]), len(range(width)[self._columns]), 3
        self._current, self._last, self._difference = (np.zeros(shape, np.uint8) for _ in range(3))
        self._wide = np.zeros(shape, np.float32)
        self._tiles = np.zeros((TILES, TILES, 3), np.float32)
        self._has_last = False
        self._place = 0.0

    def advance(self, pixels: NDArray[np.uint8] | None) -> float:
        """Return the place of a picture on the path, in percent of full scale. Without a picture nothing changes.

        The change of a picture is the mean absolute difference over the tile, and the colour, in which it is largest.

        Args:
            pixels: uint8 ``[H, W, 3]``, None without a source.
        """
        if pixels is None:
            return self._place
        np.copyto(self._current, pixels[self._rows, self._columns])
        if self._has_last:
            cv2.absdiff(self._current, self._last, self._difference)
            np.copyto(self._wide, self._difference)
            cv2.resize(self._wide, (TILES, TILES), self._tiles, interpolation=cv2.INTER_AREA)
            self._place += float(self._tiles.max()) * 100 / 255
        else:
            self._place += ALL
        self._current, self._last = self._last, self._current
        self._has_last = True
        return self._place
