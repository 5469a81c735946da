"""`DepthMaps`: control pictures of depth, near in white, by a depth model beside the stream.

The steps are those of transformers' ``depth-estimation`` pipeline, on the device of the stream and without waiting for
it: resize, normalise, estimate, resize back, stretch to 0 to 1.
"""

from functools import lru_cache

import torch
from torch.nn import functional

from pipeline.controlnet.depth_folder import DepthFolder

LEAST_RANGE = 1e-6
"""Difference of depth that is stretched; a picture of one depth is black."""


class DepthMaps:
    """Depth of pictures of one size."""

    def __init__(self, folder: DepthFolder, device: torch.device) -> None:
        """
        Args:
            folder: The depth model.
            device: Device of the stream.

        Raises:
            ModelError: the network can't be loaded.
        """
        self._folder = folder
        self._network = _network(folder, device)
        self._mean, self._deviation = (
            torch.tensor(colours, device=device).mul_(255.0).view(1, 3, 1, 1)
            for colours in (folder.mean, folder.deviation)
        )

    @torch.inference_mode()
    def prepare(self, pixels: torch.Tensor) -> torch.Tensor:
        """Return a picture, uint8 ``[H, W, 3]``, as the network reads it: float32 ``[1, 3, h, w]``."""
        height, width, _ = pixels.shape
        picture = pixels.permute(2, 0, 1).unsqueeze(0).float()
        read = self._folder.read_size(height, width)
        # An image processor resizes to whole levels of a colour.
        small = functional.interpolate(picture, read, mode="bicubic", antialias=True).round_().clamp_(0.0, 255.0)
        return small.sub_(self._mean).div_(self._deviation)

    @torch.inference_mode()
    def estimate(self, pixels: torch.Tensor, out: torch.Tensor) -> None:
        """Write the depth of a picture to `out`, 0 for its farthest point and 1 for its nearest.

        Args:
            pixels: uint8 ``[H, W, 3]`` on the device.
            out: float32 ``[3, H, W]`` on the device; its channels become equal.
        """
        found = self._network(pixel_values=self.prepare(pixels)).predicted_depth
        depth = functional.interpolate(found.unsqueeze(1), pixels.shape[:2], mode="bicubic")[0, 0]
        far, near = depth.amin(), depth.amax()
        out.copy_(depth.sub_(far).div_((near - far).clamp_min(LEAST_RANGE)))


@lru_cache(maxsize=1)
def _network(folder: DepthFolder, device: torch.device) -> torch.nn.Module:
    """Return the network on a device. Engines that are measured beside those that play share it."""
    network: torch.nn.Module = folder.read().to(device)
    return network
