"""Feedback: the last output zoomed, rotated and shifted, and mixed into the next input, as a camera on its own screen.

The warp is that of one picture, as TouchDesigner's Transform TOP within a Feedback TOP's loop is that of one frame. The
last output is the newest that is finished when a picture is admitted. One at a time (`low_latency`) it is the picture
before. With N in flight it is N pictures old, so it is warped as often as pictures were admitted since: the output
moves as fast, and as smoothly, however many are in flight. Left to themselves those N would be N loops that take turns
on air, go apart in time, and flicker. So what is fed back then is a running mean of outputs that moves with the warp,
in which a new one counts for 1/N.
"""

import cmath
import math
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from presets.parameters import Parameters

Pixels = NDArray[np.uint8]

SMALLEST = 1 / 4
"""How small a picture may get by warps that pile up: the output's pixels are folded back into it as often as it is
small, and below this nobody tells one fold from another."""


class Feedback:
    """The newest output, and room to warp it in. One thread only; nothing is allocated a picture."""

    def __init__(self, width: int, height: int) -> None:
        cv2.setNumThreads(1)  # a pool of threads for a small picture would fight the network for the processor
        self._last = np.zeros((height, width, 3), dtype=np.uint8)
        self._warped = np.zeros_like(self._last)
        self._mean, self._moved = (np.zeros((height, width, 3), dtype=np.float32) for _ in range(2))
        self._has_mean = False
        self._matrix = np.zeros((2, 3))
        self._has_last = False
        self._last_fed = 0
        self.fed = 0
        """Pictures so far that something was fed back into."""

    def remember(self, pixels: Pixels, fed: int) -> None:
        """`pixels` uint8 ``[H, W, 3]`` is the newest output; copied. `fed` is what `fed` was once it was admitted."""
        np.copyto(self._last, pixels)
        if fed == self._last_fed:
            self._has_mean = False  # nothing was fed back into this one: another time begins
        self._last_fed = fed
        self._has_last = True

    def forget(self) -> None:
        """There is no output yet, as at the beginning."""
        self._has_last = self._has_mean = False

    def feeds(self, parameters: Parameters) -> bool:
        """Whether the next input has a share of the last output: it is asked for, and there is one."""
        return parameters.feedback > 0 and self._has_last

    def mix(self, source: Pixels | None, parameters: Parameters, out: Pixels) -> None:
        """Writes the next input: ``(1 − feedback)·source + feedback·warped output``, rounded to the nearest.

        Args:
            source: uint8 ``[H, W, 3]``; None where there is none, and what is fed back is all that there is.
            parameters: How much feedback, and its warp.
            out: uint8 ``[H, W, 3]``.
        """
        alone = source is None or parameters.feedback >= 1
        warped = out if alone else self._warped
        self.fed += 1
        since = self.fed - self._last_fed
        self._warp(self._last, parameters, since, warped)
        if since == 1:
            self._has_mean = False
        elif self._has_mean:
            self._warp(self._mean, parameters, 1, self._moved)
            self._mean, self._moved = self._moved, self._mean
            cv2.accumulateWeighted(warped, self._mean, 1 / since)
            cv2.convertScaleAbs(self._mean, dst=warped)
        else:
            np.copyto(self._mean, warped)
            self._has_mean = True
        if not alone:
            cv2.addWeighted(source, 1 - parameters.feedback, warped, parameters.feedback, 0, dst=out)

    def _warp(
        self, picture: Pixels | NDArray[np.float32], parameters: Parameters, times: int, out: NDArray[Any]
    ) -> None:
        """About the middle, counter-clockwise, y up; the picture is reflected beyond its border."""
        height, width, _ = picture.shape
        # Places are complex numbers from the middle on, so that one warp is c → warp·c + shift.
        warp = cmath.rect(parameters.feedback_zoom, math.radians(parameters.feedback_rotate))
        shift = complex(parameters.feedback_x * width, parameters.feedback_y * height)
        turned, moved = 1 + 0j, 0j
        for _ in range(times):
            if abs(turned) <= SMALLEST:
                break
            turned, moved = warp * turned, warp * moved + shift
        along, across = turned.real, turned.imag
        x, y = (width - 1) / 2, (height - 1) / 2
        self._matrix[0] = along, across, x - along * x - across * y + moved.real
        self._matrix[1] = -across, along, y + across * x - along * y - moved.imag
        cv2.warpAffine(
            picture, self._matrix, (width, height), dst=out, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT
        )
