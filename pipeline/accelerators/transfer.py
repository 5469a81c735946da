"""Transfers to a GPU and back that the network does not wait for.

Uploads use pinned memory. Decoding and the download run on a stream of their own, so that the next network call starts
meanwhile. The host waits only for the pixels that it delivers. Not run on hardware yet.
"""

from collections.abc import Callable

import torch

from pipeline.pinned_ring import PinnedRing

DEPTH = 4
"""Most uploads in progress at once."""


class Upload:
    """Upload of host tensors of one shape, on torch's current stream."""

    def __init__(self, shape: tuple[int, ...], dtype: torch.dtype, device: torch.device) -> None:
        self._ring = PinnedRing(DEPTH, shape, dtype, device)
        self._there = torch.empty(shape, dtype=dtype, device=device)

    def __call__(self, tensor: torch.Tensor) -> torch.Tensor:
        """Return `tensor` on the device, valid until the next call. The caller may overwrite its own at once."""
        self._there.copy_(self._ring.take().copy_(tensor), non_blocking=True)
        self._ring.record_copy()
        return self._there


class Decoding:
    """A decoder that runs beside the network: latents ``[1, C, h, w]`` in, pixels uint8 ``[1, H, W, 3]`` out."""

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
            decode: Takes a float32 latent and returns pixels on the device.
            latent: Shape of a latent, without the leading 1.
            pixels: Shape of a frame, without the leading 1.
            device: Device of the decoder.
            depth: Most decodes in progress at once.
        """
        self._decode = decode
        self._latents = [torch.empty(1, *latent, device=device) for _ in range(depth)]
        self._ring = PinnedRing(depth, (1, *pixels), torch.uint8, device)
        self._stream = None
        if device.type == "cuda":
            self._stream = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]

    def begin(self, latent: torch.Tensor) -> Callable[[], torch.Tensor]:
        """Start with `latent`, which may be overwritten at once, and return a function that waits for the pixels.

        The pixels are on the host, and valid until `depth` further decodes have begun.
        """
        pixels = self._ring.take()
        turn = self._ring.index
        own = self._latents[turn].copy_(latent)
        if self._stream is None:
            pixels.copy_(self._decode(own))
        else:
            self._stream.wait_stream(torch.cuda.current_stream())
            with torch.cuda.stream(self._stream):
                pixels.copy_(self._decode(own), non_blocking=True)
                self._ring.record_copy()

        def wait() -> torch.Tensor:
            self._ring.wait(turn)
            return pixels

        return wait

    def __call__(self, latent: torch.Tensor) -> torch.Tensor:
        """Return the pixels of `latent` at once."""
        return self.begin(latent)()
