"""Control pictures: made of the incoming frame as the ControlNet was trained, in the memory of the device."""

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from pipeline.accelerators.transfer import Upload
from presets.parameters import Parameters


class ControlPictures:
    """Control pictures of frames of one size. No memory of a picture's size is allocated for a frame."""

    def __init__(self, width: int, height: int, device: torch.device) -> None:
        """
        Args:
            width: Width of a frame in px.
            height: Its height.
            device: Device of the stream.
        """
        self._edges = np.empty((height, width), dtype=np.uint8)
        self._pixels = torch.empty(height, width, 3, dtype=torch.uint8)
        self._upload = Upload((height, width, 3), torch.uint8, device)
        self._picture = torch.empty(3, height, width, device=device)

    @torch.inference_mode()
    def make(self, pixels: NDArray[np.uint8], preprocessor: str, parameters: Parameters) -> torch.Tensor:
        """Return the control picture of a frame, float32 ``[3, H, W]``, 0 to 1, valid until the next call.

        ``canny`` is diffusers' recipe for ControlNets of edges: ``cv2.Canny`` of the colours, in three equal channels.
        ``none`` and ``tile`` take the frame as it is.

        Args:
            pixels: RGB uint8 ``[H, W, 3]``.
            preprocessor: That of the build, one of the values of ``controlnet_preprocessor``.
            parameters: Thresholds.
        """
        given = self._pixels.numpy()
        if preprocessor == "canny":
            cv2.Canny(pixels, parameters.canny_low, parameters.canny_high, edges=self._edges)
            np.copyto(given, self._edges[:, :, None])
        else:
            np.copyto(given, pixels)
        return self._picture.copy_(self._upload(self._pixels).permute(2, 0, 1)).div_(255.0)
