"""What the stream asks of a network: one call over a batch of latents, each at its own timestep."""

from typing import Protocol

import torch


class Denoiser(Protocol):
    """A network as the stream sees it. Nothing else knows what runs behind it."""

    def __call__(self, latents: torch.Tensor, timesteps: torch.Tensor, embeds: torch.Tensor) -> torch.Tensor:
        """The network's output ``[B, C, h, w]``, in the dtype of the latents, valid until the next call.

        Args:
            latents: ``[B, C, h, w]``, already scaled.
            timesteps: ``[B]``, float32, or float64 in a float64 stream; never half precision, where 750 becomes 752.
            embeds: ``[B, L, D]``, the conditioning of each row.
        """
        ...
