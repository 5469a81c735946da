"""`SimilarFrameFilter`: which incoming pictures hardly differ from the last one drawn, and so need not be drawn."""

import cv2
import numpy as np
from numpy.typing import NDArray

from presets.parameters import Parameters

Pixels = NDArray[np.uint8]

SAMPLES = 64
"""Rows and columns that are compared, at the most: enough for a mean, and a few hundredths of a millisecond."""


class SimilarFrameFilter:
    """What was admitted last. One thread only; it looks at pixels on the host, so no device is ever waited for."""

    def __init__(self, width: int, height: int) -> None:
        self._rows, self._columns = _places(height), _places(width)
        shape = len(range(height)[self._rows]), len(range(width)[self._columns]), 3
        self._admitted = np.zeros(shape, dtype=np.uint8)
        self._coming = np.zeros(shape, dtype=np.uint8)
        self._look: object = None
        self._comparable = False
        self._skipped = 0

    def skips(self, pixels: Pixels | None, parameters: Parameters, look: object) -> bool:
        """Whether a picture may be left out; True counts it as skipped.

        It is held against the last one admitted and not the last one seen, so that slow drift adds up. Nothing is left
        out where the picture does not come from the source alone (text mode, feedback), where `look` is another than
        that of the last one, or after `skip_longest` pictures in a row.

        Args:
            pixels: uint8 ``[H, W, 3]``, or None where there is no picture from a source.
            parameters: The threshold `skip`, mean absolute difference in percent of full scale, 0 for none; and the
                longest run.
            look: Everything else that it would be drawn with, compared by ``==``.
        """
        if parameters.skip <= 0 or parameters.feedback > 0 or parameters.mode == "text":
            return False
        if pixels is None or not self._comparable or look != self._look or self._skipped >= parameters.skip_longest:
            return False
        np.copyto(self._coming, pixels[self._rows, self._columns])
        difference = cv2.norm(self._coming, self._admitted, cv2.NORM_L1) / self._coming.size
        if difference * 100 / 255 >= parameters.skip:
            return False
        self._skipped += 1
        return True

    def admitted(self, pixels: Pixels | None, look: object) -> None:
        """A picture is drawn: from `pixels`, or from no source, with everything else in `look`."""
        self._skipped = 0
        self._look = look
        self._comparable = pixels is not None
        if pixels is not None:
            np.copyto(self._admitted, pixels[self._rows, self._columns])


def _places(length: int) -> slice:
    """Evenly spread places, from the middle of the first stretch on."""
    stride = -(-length // SAMPLES)
    return slice(stride // 2, None, stride)
