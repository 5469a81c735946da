"""The two forms of a network as graphs from tensors to tensors: one that keeps its deep features, and one that reads
them."""

from typing import Any

import torch
from torch import nn

from pipeline.reuse.outer_unet import kept_features_of


class KeepingGraph(nn.Module):
    """A graph of `pipeline.graphs` around a `keeping_unet`, with the kept features ``[B, C, h, w]`` as second output.

    The features have the dtype of the network.
    """

    def __init__(self, graph: nn.Module) -> None:
        super().__init__()
        self.network = graph
        self.kept = kept_features_of(graph)

    def forward(self, *inputs: torch.Tensor) -> tuple[torch.Tensor, Any]:
        out: torch.Tensor = self.network(*inputs)
        rows, self.kept.rows = self.kept.rows, None
        return out, rows


class OuterGraph(nn.Module):
    """A graph of `pipeline.graphs` around an `outer_unet`, with the kept features as last input."""

    def __init__(self, graph: nn.Module) -> None:
        super().__init__()
        self.network = graph
        self.kept = kept_features_of(graph)

    def forward(self, *inputs: torch.Tensor) -> torch.Tensor:
        *others, self.kept.rows = inputs
        out: torch.Tensor = self.network(*others)
        self.kept.rows = None
        return out


class KeepingNetwork(nn.Module):
    """A network of torch that keeps its deep features of the last call, in memory of its own."""

    kept: torch.Tensor

    def __init__(self, whole: KeepingGraph, outer: OuterGraph, rows: torch.Tensor) -> None:
        """
        Args:
            whole: The whole network.
            outer: Its outermost blocks.
            rows: Memory for the features of the largest batch, ``[B, C, h, w]``.
        """
        super().__init__()
        self.whole = whole
        self.outer = outer
        self.register_buffer("kept", rows, persistent=False)

    def forward(self, *inputs: torch.Tensor) -> torch.Tensor:
        out, rows = self.whole(*inputs)
        self.kept[: len(rows)].copy_(rows)
        kept_out: torch.Tensor = out
        return kept_out


class ReadingNetwork(nn.Module):
    """The outermost blocks of a `KeepingNetwork`, on the features that it kept at its last call of the same size."""

    def __init__(self, network: nn.Module) -> None:
        """`network` is a `KeepingNetwork`, or a module around one."""
        super().__init__()
        self.keeping = next(each for each in network.modules() if isinstance(each, KeepingNetwork))

    def forward(self, *inputs: torch.Tensor) -> torch.Tensor:
        out: torch.Tensor = self.keeping.outer(*inputs, self.keeping.kept[: len(inputs[0])])
        return out
