"""Video feedback: the last output is zoomed, rotated, shifted and mixed into the next input.

The warp applies once for each frame, like the Transform TOP in a TouchDesigner Feedback TOP loop. The last output is
the newest that is finished when a frame is admitted. With one frame in flight (`low_latency`) it is the previous frame.
With N in flight it is N frames old, so the warp applies once for each frame admitted since, and the motion does not
depend on N.

N frames in flight would form N independent loops that take turns, drift apart and flicker. So the feedback image is a
running mean of outputs, which moves with the warp and in which a new output has the weight 1/N.
"""

import cmath
import math
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from presets.parameters import Parameters

Pixels = NDArray[np.uint8]

MIN_ZOOM = 1 / 4
"""Smallest total zoom of repeated warps. Beyond it the reflected borders repeat so often that more is not visible."""


class Feedback:
    """The newest output, and buffers to warp it. For one thread. No memory is allocated for a frame."""

    def __init__(self, width: int, height: int) -> None:
        cv2.setNumThreads(1)  # OpenCV's thread pool would compete with the network for the processor
        self._last = np.zeros((height, width, 3), dtype=np.uint8)
        self._warped = np.zeros_like(self._last)
        self._mean, self._moved = (np.zeros((height, width, 3), dtype=np.float32) for _ in range(2))
        self._has_mean = False
        self._matrix = np.zeros((2, 3))
        self._has_last = False
        self._last_count = 0
        self.mix_count = 0
        """Number of inputs that feedback was mixed into."""

    def remember(self, pixels: Pixels, mix_count: int) -> None:
        """Store the newest output.

        Args:
            pixels: uint8 ``[H, W, 3]``, copied.
            mix_count: Value of `mix_count` right after this frame was admitted.
        """
        np.copyto(self._last, pixels)
        if mix_count == self._last_count:
            self._has_mean = False  # this output had no feedback in it, so the loop starts again
        self._last_count = mix_count
        self._has_last = True

    def forget(self) -> None:
        """Drop the last output."""
        self._has_last = self._has_mean = False

    def is_active(self, parameters: Parameters) -> bool:
        """Return True if the next input gets feedback: the parameters ask for it and there is an output."""
        return parameters.feedback > 0 and self._has_last

    def mix(self, source: Pixels | None, parameters: Parameters, out: Pixels) -> None:
        """Write the next input, ``(1 − feedback)·source + feedback·warped output``, rounded.

        Args:
            source: uint8 ``[H, W, 3]``. None writes the feedback image alone.
            parameters: Amount of feedback, zoom, rotation and shift.
            out: uint8 ``[H, W, 3]``.
        """
        feedback_only = source is None or parameters.feedback >= 1
        warped = out if feedback_only else self._warped
        self.mix_count += 1
        frames_since = self.mix_count - self._last_count
        self._warp(self._last, parameters, frames_since, warped)
        if frames_since == 1:
            self._has_mean = False
        elif self._has_mean:
            self._warp(self._mean, parameters, 1, self._moved)
            self._mean, self._moved = self._moved, self._mean
            cv2.accumulateWeighted(warped, self._mean, 1 / frames_since)
            cv2.convertScaleAbs(self._mean, dst=warped)
        else:
            np.copyto(self._mean, warped)
            self._has_mean = True
        if not feedback_only:
            cv2.addWeighted(source, 1 - parameters.feedback, warped, parameters.feedback, 0, dst=out)

    def _warp(self, image: Pixels | NDArray[np.float32], parameters: Parameters, times: int, out: NDArray[Any]) -> None:
        """Write `image` warped `times` times about its centre: counter-clockwise, y up, reflected at the border."""
        height, width, _ = image.shape
        # Positions are complex numbers from the centre: one warp is c → warp·c + shift.
        warp = cmath.rect(parameters.feedback_zoom, math.radians(parameters.feedback_rotate))
        shift = complex(parameters.feedback_x * width, parameters.feedback_y * height)
        total_warp, total_shift = 1 + 0j, 0j
        for _ in range(times):
            if abs(total_warp) <= MIN_ZOOM:
                break
            total_warp, total_shift = warp * total_warp, warp * total_shift + shift
        cos, sin = total_warp.real, total_warp.imag
        x, y = (width - 1) / 2, (height - 1) / 2
        self._matrix[0] = cos, sin, x - cos * x - sin * y + total_shift.real
        self._matrix[1] = -sin, cos, y + sin * x - cos * y - total_shift.imag
        cv2.warpAffine(
            image, self._matrix, (width, height), dst=out, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT
        )
