"""Control pictures: made of the incoming frame as the ControlNet was trained, in the memory of the device."""

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from pipeline.accelerators.transfer import Upload
from pipeline.controlnet.depth_folder import DepthFolder
from pipeline.controlnet.depth_maps import DepthMaps
from presets.parameters import Parameters


class ControlPictures:
    """Control pictures of frames of one size.

    No memory of a picture's size is allocated for a frame, except by a depth model, in torch's pool.
    """

    def __init__(self, width: int, height: int, device: torch.device, depth: DepthFolder | None = None) -> None:
        """
        Args:
            width: Width of a frame in px.
            height: Its height.
            device: Device of the stream.
            depth: Depth model of the preprocessor ``depth``; None for every other one.

        Raises:
            ModelError: the depth model can't be loaded.
        """
        self._depth = None if depth is None else DepthMaps(depth, device)
        self._edges = np.empty((height, width), dtype=np.uint8)
        self._pixels = torch.empty(height, width, 3, dtype=torch.uint8)
        self._upload = Upload((height, width, 3), torch.uint8, device)
        self._picture = torch.empty(3, height, width, device=device)

    def warm_up(self) -> None:
        """Run the depth model once, if there is one."""
        if self._depth is not None:
            self._depth.estimate(self._upload(self._pixels.zero_()), self._picture)

    @torch.inference_mode()
    def make(self, pixels: NDArray[np.uint8], preprocessor: str, parameters: Parameters) -> torch.Tensor:
        """Return the control picture of a frame, float32 ``[3, H, W]``, 0 to 1, valid until the next call.

        ``canny`` is diffusers' recipe for ControlNets of edges: ``cv2.Canny`` of the colours, in three equal channels.
        ``depth`` is transformers' ``depth-estimation``, near in white. ``none`` and ``tile`` take the frame as it is.

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
        uploaded = self._upload(self._pixels)
        if preprocessor == "depth" and self._depth is not None:
            self._depth.estimate(uploaded, self._picture)
            return self._picture
        return self._picture.copy_(uploaded.permute(2, 0, 1)).div_(255.0)
