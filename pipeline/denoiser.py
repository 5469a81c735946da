"""What the stream asks of a network: one call over a batch of latents, each at its own timestep."""

from collections.abc import Sequence
from typing import NamedTuple, Protocol, runtime_checkable

import torch


class ConditioningRows(NamedTuple):
    """The conditioning of a batch, a row a latent. What a model has no use for is None."""

    embeds: torch.Tensor
    """``[B, L, D]``: the text encoder's hidden states, padded to the model's token length."""
    mask: torch.Tensor | None = None
    """``[B, L]``, 1 where a token counts and 0 where it is padding."""
    pooled: torch.Tensor | None = None
    """``[B, P]``: the text as one vector."""
    guidance: torch.Tensor | None = None
    """``[B]``: the guidance scale, for networks that were distilled to take it as an input. As precise as
    timesteps are: networks multiply it by 1000 and take its sine."""


class Denoiser(Protocol):
    """A network as the stream sees it. Nothing else knows what runs behind it."""

    def __call__(self, latents: torch.Tensor, timesteps: torch.Tensor, conditioning: ConditioningRows) -> torch.Tensor:
        """The network's output ``[B, C, h, w]``, in the dtype of the latents, valid until the next call.

        Args:
            latents: ``[B, C, h, w]``, already scaled.
            timesteps: ``[B]``, or ``[B, 2]`` for families with a second time; float32, or float64 in a float64
                stream; never half precision, where 750 becomes 752.
            conditioning: Of each row.
        """
        ...


@runtime_checkable
class Foreseeing(Protocol):
    """A denoiser that has to know on the host what it is called with, because it groups its rows by their timesteps.

    Reading them back from a GPU would make the host wait for it; the host side of the stream knows them anyway.
    """

    def foresee(self, timesteps: Sequence[float]) -> None:
        """The timesteps of the rows of the next call, of which it may be told once, right before."""
        ...
