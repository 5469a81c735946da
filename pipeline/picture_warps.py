"""Arithmetic of fed-back pictures: affine warps, a running mean, a mix; on the host by OpenCV, on a GPU by torch."""

from typing import Any, Protocol

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn.functional import grid_sample

from pipeline.accelerators.transfer import Upload
from pipeline.pinned_ring import PinnedRing

Pixels = NDArray[np.uint8]
Affine = NDArray[np.float64]
"""``[2, 3]``: a position of the picture in pixels, y down, to that in the warped picture."""

MATRICES = 4
"""Uploads of a matrix that may be pending at the same time."""


class PictureWarps(Protocol):
    """A newest picture that is warped, and a running mean of them. Borders are reflected."""

    def warp(self, pixels: Pixels, affine: Affine) -> None:
        """Let the newest picture be `pixels`, warped."""
        ...

    def begin_mean(self) -> None:
        """Let the mean be the newest picture."""
        ...

    def accumulate(self, affine: Affine, weight: float) -> None:
        """Warp the mean, give the newest picture a weight in it, and let the newest picture be the mean."""
        ...

    def mix(self, source: Pixels | None, share: float, out: Pixels) -> torch.Tensor | None:
        """Mix ``(1 − share)·source + share·newest``, rounded. None as the source is the newest picture alone.

        Args:
            source: uint8 ``[H, W, 3]``.
            share: 0 to 1.
            out: uint8 ``[H, W, 3]``, for the result on the host.

        Returns:
            uint8 ``[1, H, W, 3]`` on the device, valid until the next call; None if the result is in `out`.
        """
        ...


class HostWarps:
    """`PictureWarps` in main memory. No memory is allocated for a picture."""

    def __init__(self, width: int, height: int) -> None:
        cv2.setNumThreads(1)  # OpenCV's thread pool would compete with the network for the processor
        self._newest = np.zeros((height, width, 3), dtype=np.uint8)
        self._mean, self._moved = (np.zeros((height, width, 3), dtype=np.float32) for _ in range(2))

    def warp(self, pixels: Pixels, affine: Affine) -> None:
        _warp(pixels, affine, self._newest)

    def begin_mean(self) -> None:
        np.copyto(self._mean, self._newest)

    def accumulate(self, affine: Affine, weight: float) -> None:
        _warp(self._mean, affine, self._moved)
        self._mean, self._moved = self._moved, self._mean
        cv2.accumulateWeighted(self._newest, self._mean, weight)
        cv2.convertScaleAbs(self._mean, dst=self._newest)

    def mix(self, source: Pixels | None, share: float, out: Pixels) -> torch.Tensor | None:
        if source is None:
            np.copyto(out, self._newest)
        else:
            cv2.addWeighted(source, 1 - share, self._newest, share, 0, dst=out)
        return None


def _warp(image: Pixels | NDArray[np.float32], affine: Affine, out: NDArray[Any]) -> None:
    height, width, _ = image.shape
    cv2.warpAffine(image, affine, (width, height), dst=out, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT)


class TorchWarps:
    """`PictureWarps` on a device of torch. Pictures go there once, and the mix stays there.

    On an NVIDIA GPU torch's allocator reuses the memory of a warped picture. It has not run on one.
    """

    def __init__(self, width: int, height: int, device: torch.device) -> None:
        self._sides = height, width
        self._upload = Upload((1, height, width, 3), torch.uint8, device)
        self._host = torch.zeros(1, height, width, 3, dtype=torch.uint8)
        self._host_np = self._host.numpy()[0]
        self._newest, self._mean, self._wide = (torch.zeros(1, 3, height, width, device=device) for _ in range(3))
        self._mixed = torch.zeros(1, height, width, 3, dtype=torch.uint8, device=device)
        rows, columns = (torch.arange(side, dtype=torch.float32, device=device) for side in self._sides)
        places = torch.ones(height, width, 3, device=device)
        places[..., 0], places[..., 1] = columns, rows[:, None]
        self._places = places.view(-1, 3)
        """Position of each pixel and a 1, ``[H·W, 3]``."""
        self._seen = torch.zeros(height * width, 2, device=device)
        """Place in the picture that each pixel of a warped one shows, from −1 to 1."""
        self._ring = PinnedRing(MATRICES, (3, 2), torch.float32, device)
        self._matrix = torch.zeros(3, 2, device=device)

    @torch.inference_mode()
    def warp(self, pixels: Pixels, affine: Affine) -> None:
        self._newest.copy_(self._warped(self._on_device(pixels), affine))

    @torch.inference_mode()
    def begin_mean(self) -> None:
        self._mean.copy_(self._newest)

    @torch.inference_mode()
    def accumulate(self, affine: Affine, weight: float) -> None:
        torch.lerp(self._warped(self._mean, affine), self._newest, weight, out=self._mean)
        self._newest.copy_(self._mean)

    @torch.inference_mode()
    def mix(self, source: Pixels | None, share: float, out: Pixels) -> torch.Tensor | None:
        if source is None:
            self._wide.copy_(self._newest)
        else:
            self._on_device(source).lerp_(self._newest, share)
        self._mixed.copy_(self._wide.round_().clamp_(0.0, 255.0).permute(0, 2, 3, 1))
        return self._mixed

    def _on_device(self, pixels: Pixels) -> torch.Tensor:
        """Return pixels as float32 ``[1, 3, H, W]``, valid until the next call."""
        np.copyto(self._host_np, pixels)
        return self._wide.copy_(self._upload(self._host).permute(0, 3, 1, 2))

    def _warped(self, image: torch.Tensor, affine: Affine) -> torch.Tensor:
        """Return an image ``[1, 3, H, W]`` warped, as memory of its own."""
        height, width = self._sides
        back = np.linalg.inv(np.vstack([affine, [0.0, 0.0, 1.0]]))[:2]
        # From pixels to −1 to 1 across the picture, whose first pixel is centred half a pixel inside.
        back[:, 2] += 0.5
        scaled = 2.0 / np.array([width, height]) * back.T
        scaled[2] -= 1.0
        self._matrix.copy_(self._ring.take().copy_(torch.from_numpy(scaled)), non_blocking=self._ring.is_pinned)
        self._ring.record_copy()
        torch.mm(self._places, self._matrix, out=self._seen)
        return grid_sample(image, self._seen.view(1, height, width, 2), padding_mode="reflection", align_corners=False)
