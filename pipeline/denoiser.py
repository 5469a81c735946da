"""Interface between the stream and a network: one call for a batch of latents, each at its own timestep."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple, Protocol, runtime_checkable

import torch


class ConditioningRows(NamedTuple):
    """Conditioning of a batch, one row for each latent. Inputs that the model does not take are None."""

    embeds: torch.Tensor
    """Hidden states of the text encoder, ``[B, L, D]``, padded to the model's token length."""
    mask: torch.Tensor | None = None
    """``[B, L]``: 1 for a token, 0 for padding."""
    pooled: torch.Tensor | None = None
    """Pooled vectors of the texts, ``[B, P]``."""
    guidance: torch.Tensor | None = None
    """Guidance scales ``[B]``, for guidance-distilled networks. float32 or float64, like timesteps: networks multiply
    them by 1000 and take sines."""
    extra: Mapping[str, torch.Tensor] = MappingProxyType({})
    """Inputs that the network has beyond those of its family, by name (`pipeline.extra_inputs`), ``[B, …]`` each."""

    @classmethod
    def of(cls, parts: Mapping[str, torch.Tensor]) -> "ConditioningRows":
        """Return the rows with these parts, by name. Names of no field are extra inputs."""
        own = {name: parts.get(name) for name in cls._fields[1:-1]}
        extra = {name: part for name, part in parts.items() if name not in cls._fields}
        return cls(parts["embeds"], **own, extra=extra)

    def with_extra(self, parts: Mapping[str, torch.Tensor]) -> "ConditioningRows":
        """Return the rows with further inputs beyond those of the family."""
        return self._replace(extra={**self.extra, **parts})

    def part(self, name: str) -> torch.Tensor:
        """Return the input with this name, which the model must take."""
        found: torch.Tensor = self.extra[name] if name in self.extra else getattr(self, name)
        return found

    def parts(self) -> dict[str, torch.Tensor]:
        """Return every input that the model takes, by name."""
        own = {"embeds": self.embeds, "mask": self.mask, "pooled": self.pooled, "guidance": self.guidance}
        return {name: part for name, part in own.items() if part is not None} | dict(self.extra)


class Denoiser(Protocol):
    """A network as the stream calls it. Adapters and accelerators implement it."""

    def __call__(self, latents: torch.Tensor, timesteps: torch.Tensor, conditioning: ConditioningRows) -> torch.Tensor:
        """Return the output ``[B, C, h, w]`` in the dtype of `latents`. It is valid until the next call.

        Args:
            latents: Scaled latents ``[B, C, h, w]``. A network that sees its source takes ``[B, 2C, h, w]``: the scaled
                latent, then the source latent, or zeros for a row without one. This is InstructPix2Pix's layout, which
                networks of diffusers and engines built from them have. A family with another one (editing transformers
                append tokens) splits the tensor in its adapter.
            timesteps: ``[B]``, or ``[B, 2]`` in families with a second time. float32, or float64 in a float64 stream;
                never bfloat16, which turns 750 into 752.
            conditioning: Conditioning of each row.
        """
        ...


@runtime_checkable
class HostTimesteps(Protocol):
    """A denoiser that groups its rows by timestep and so needs the timesteps on the host before each call.

    The host side of the stream has them already. Reading them back from a GPU would block the host.
    """

    def announce_timesteps(self, timesteps: Sequence[float]) -> None:
        """Set the timesteps of the rows of the next call. Called at most once, right before it."""
        ...
