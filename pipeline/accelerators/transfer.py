"""Copies of pixels between host and GPU that overlap with the network.

Uploads go through pinned memory. Decoding and the download run on a CUDA stream of their own, so that the network call
of the next step runs at the same time. The host waits only for the pixels that it delivers. The GPU path has not run on
hardware.
"""

from collections.abc import Callable

import torch

from pipeline.pinned_ring import PinnedRing

UPLOADS = 4
"""Uploads that may be pending at the same time."""


class Upload:
    """Copies host tensors of one shape to the device on torch's current stream."""

    def __init__(self, shape: tuple[int, ...], dtype: torch.dtype, device: torch.device) -> None:
        self._ring = PinnedRing(UPLOADS, shape, dtype, device)
        self.on_device = torch.zeros(shape, dtype=dtype, device=device)
        """Memory of every result."""

    def __call__(self, tensor: torch.Tensor) -> torch.Tensor:
        """Return `tensor` on the device, valid until the next call. The caller may overwrite `tensor` at once.

        One that is on the device already is copied there.
        """
        if tensor.device.type != "cpu":
            return self.on_device.copy_(tensor)
        self.on_device.copy_(self._ring.take().copy_(tensor), non_blocking=self._ring.is_pinned)
        self._ring.record_copy()
        return self.on_device


class OverlappedDecoder:
    """A decoder that runs beside the network. It turns latents ``[1, C, h, w]`` into uint8 pixels ``[1, H, W, 3]``."""

    def __init__(
        self,
        decode: Callable[[torch.Tensor], torch.Tensor],
        latent: tuple[int, ...],
        pixels: tuple[int, ...],
        device: torch.device,
        depth: int,
    ) -> None:
        """
        Args:
            decode: Decodes a float32 latent on the device.
            latent: ``(C, h, w)``.
            pixels: ``(H, W, 3)``.
            device: Device of the latents.
            depth: Frames that may be pending at the same time.
        """
        self._decode = decode
        self._latents = [torch.empty(1, *latent, device=device) for _ in range(depth)]
        self._ring = PinnedRing(depth, (1, *pixels), torch.uint8, device)
        self._stream = None
        if device.type == "cuda":
            self._stream = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]

    def begin(self, latent: torch.Tensor) -> Callable[[], torch.Tensor]:
        """Start to decode `latent` and return a function that waits for its pixels.

        `latent` may be overwritten at once. The pixels are on the host, valid until `depth` further frames have begun.
        """
        pixels = self._ring.take()
        index = self._ring.index
        copy = self._latents[index].copy_(latent)
        if self._stream is None:
            pixels.copy_(self._decode(copy))
        else:
            self._stream.wait_stream(torch.cuda.current_stream())
            with torch.cuda.stream(self._stream):
                pixels.copy_(self._decode(copy), non_blocking=True)
                self._ring.record_copy()

        def wait() -> torch.Tensor:
            self._ring.wait(index)
            return pixels

        return wait

    def __call__(self, latent: torch.Tensor) -> torch.Tensor:
        """Return the pixels of `latent` when they are ready."""
        return self.begin(latent)()
