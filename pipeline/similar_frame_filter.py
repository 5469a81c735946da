"""Filter that skips input frames which hardly differ from the last frame admitted to the stream."""

import cv2
import numpy as np
from numpy.typing import NDArray

from presets.parameters import Parameters

Pixels = NDArray[np.uint8]

MAX_SAMPLES = 64
"""Most rows, and most columns, that are compared. They give a good mean in a few hundredths of a millisecond."""


class SimilarFrameFilter:
    """Comparison with the last admitted frame. For one thread. Pixels are compared on the host, without a device."""

    def __init__(self, width: int, height: int) -> None:
        self._rows, self._columns = evenly_spaced(height), evenly_spaced(width)
        shape = len(range(height)[self._rows]), len(range(width)[self._columns]), 3
        self._last = np.zeros(shape, dtype=np.uint8)
        self._current = np.zeros(shape, dtype=np.uint8)
        self._settings: object = None
        self._has_last = False
        self._skipped = 0

    def should_skip(self, pixels: Pixels | None, parameters: Parameters, settings: object) -> bool:
        """Return True if a frame can be skipped, and count it as skipped.

        The frame is compared with the last one admitted, not with the last one seen, so slow drift adds up. A frame is
        never skipped in text mode or with feedback, with other `settings` than the last admitted frame, or after
        `skip_longest` skipped frames in a row.

        Args:
            pixels: uint8 ``[H, W, 3]``, None without a source.
            parameters: `skip` is the threshold, the mean absolute difference in percent of full scale, 0 for off.
                `skip_longest` is the longest run of skipped frames.
            settings: Everything else that the frame depends on, compared by ``==``.
        """
        if parameters.skip <= 0 or parameters.feedback > 0 or parameters.mode == "text":
            return False
        if pixels is None or not self._has_last or settings != self._settings:
            return False
        if self._skipped >= parameters.skip_longest:
            return False
        np.copyto(self._current, pixels[self._rows, self._columns])
        difference = cv2.norm(self._current, self._last, cv2.NORM_L1) / self._current.size
        if difference * 100 / 255 >= parameters.skip:
            return False
        self._skipped += 1
        return True

    def record_admitted(self, pixels: Pixels | None, settings: object) -> None:
        """Record a frame that was admitted, with its source pixels (None without a source) and its settings."""
        self._skipped = 0
        self._settings = settings
        self._has_last = pixels is not None
        if pixels is not None:
            np.copyto(self._last, pixels[self._rows, self._columns])


def evenly_spaced(length: int) -> slice:
    """Return up to `MAX_SAMPLES` evenly spaced positions of a side."""
    stride = -(-length // MAX_SAMPLES)
    return slice(stride // 2, None, stride)
