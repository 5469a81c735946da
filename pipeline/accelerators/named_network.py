"""A compiled network as its file describes it: inputs and outputs by name, whoever compiled it."""

from collections.abc import Mapping
from typing import NamedTuple, Protocol

import torch


class TensorPort(NamedTuple):
    """An input or an output."""

    name: str
    shape: tuple[int | None, ...]
    """None where any length will do."""
    dtype: torch.dtype

    def __str__(self) -> str:
        sides = " × ".join("any" if side is None else str(side) for side in self.shape)
        return f"{str(self.dtype).removeprefix('torch.')} [{sides}]"


class Network(Protocol):
    """It runs on the tensors' own memory: nothing is copied."""

    inputs: tuple[TensorPort, ...]
    outputs: tuple[TensorPort, ...]

    def __call__(self, inputs: Mapping[str, torch.Tensor], out: torch.Tensor) -> None:
        """Writes the first output to `out`.

        Args:
            inputs: By name, all of them: contiguous, of the port's dtype, on the network's device.
            out: Contiguous, of the first output's dtype, on the same device.
        """
        ...
