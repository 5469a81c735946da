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

import numpy as np
import torch

from pipeline.picture_warps import Affine, HostWarps, PictureWarps, Pixels, TorchWarps
from presets.parameters import Parameters

MIN_ZOOM = 1 / 4
"""Smallest total zoom of repeated warps. Beyond it the reflected borders repeat so often that more is not visible."""

HOST = torch.device("cpu")


class Feedback:
    """The newest output, and buffers to warp it. For one thread. No memory is allocated for a frame on the host."""

    def __init__(self, width: int, height: int, warps: PictureWarps | None = None) -> None:
        """`warps` computes the pictures, of this size in pixels; None takes those of the host."""
        self._last = np.zeros((height, width, 3), dtype=np.uint8)
        self._warps = warps or HostWarps(width, height)
        self._device = HOST
        self._affine = np.zeros((2, 3))
        self._has_last = self._has_mean = False
        self._last_count = 0
        self.mix_count = 0
        """Number of inputs that feedback was mixed into."""

    def move_to(self, device: torch.device) -> None:
        """Warp on this device from now on, or on the host if it is no NVIDIA GPU. A move begins the mean again.

        On a processor torch takes three times as long as OpenCV.
        """
        if device.type != "cuda":
            device = HOST
        if device != self._device:
            height, width, _ = self._last.shape
            self._warps = HostWarps(width, height) if device == HOST else TorchWarps(width, height, device)
            self._device, self._has_mean = device, False

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

    def mix(self, source: Pixels | None, parameters: Parameters, out: Pixels) -> torch.Tensor | None:
        """Make the next input, ``(1 − feedback)·source + feedback·warped output``, rounded.

        Args:
            source: uint8 ``[H, W, 3]``. None takes the feedback image alone.
            parameters: Amount of feedback, zoom, rotation and shift.
            out: uint8 ``[H, W, 3]``, for the input on the host.

        Returns:
            The input on the device, uint8 ``[1, H, W, 3]``, valid until the next call; None if it is in `out`.
        """
        self.mix_count += 1
        frames_since = self.mix_count - self._last_count
        self._warps.warp(self._last, self._repeated(parameters, frames_since))
        if frames_since == 1:
            self._has_mean = False
        elif self._has_mean:
            self._warps.accumulate(self._repeated(parameters, 1), 1 / frames_since)
        else:
            self._warps.begin_mean()
            self._has_mean = True
        return self._warps.mix(None if parameters.feedback >= 1 else source, parameters.feedback, out)

    def _repeated(self, parameters: Parameters, times: int) -> Affine:
        """Return `times` warps about the centre as one: counter-clockwise, y up. It is valid until the next call."""
        height, width, _ = self._last.shape
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
        self._affine[0] = cos, sin, x - cos * x - sin * y + total_shift.real
        self._affine[1] = -sin, cos, y + sin * x - cos * y - total_shift.imag
        return self._affine
