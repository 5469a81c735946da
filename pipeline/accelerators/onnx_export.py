"""Export of a torch graph to an ONNX file, for ONNX Runtime and for TensorRT."""

import contextlib
import importlib.util
import logging
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path

import torch
from torch import nn

from presets.errors import ModelError

OPSET = 18
OUTPUT = "out"
"""Name of the only output."""

INLINE_BYTES = 1_900_000_000
"""Bytes of weights from which they go into a second file, ``PATH.data``: a protobuf message ends at 2 GiB."""

LARGEST_BATCH = 63
"""Most rows of a dynamic batch. From 64 on a UNet of diffusers takes another path, with the same result."""


def missing() -> str:
    """Return the reason why nothing can be exported here; empty if it can. Imports neither package."""
    lacking = [name for name in ("onnx", "onnxscript") if importlib.util.find_spec(name) is None]
    return f"the package {' and the package '.join(lacking)} it exports with is not installed" if lacking else ""


@torch.no_grad()
def export(
    graph: nn.Module, example: tuple[torch.Tensor, ...], names: Sequence[str], path: Path, dynamic: bool
) -> None:
    """Write `graph` to `path`, with inputs called `names`, in order, and the output `OUTPUT`.

    The file is strongly typed: weights have the graph's types, inputs those of `example`.

    Args:
        graph: Positional, from tensors to one tensor; of `pipeline.graphs` or of that kind.
        example: A tensor for each input. With `dynamic`, of two rows or more: the exporter takes one row for a
            constant.
        names: A name for each input.
        path: The file. Weights above `INLINE_BYTES` go into ``PATH.data``, which belongs to it.
        dynamic: The first dimension of every input and of the output may be 1 to `LARGEST_BATCH`.

    Raises:
        ModelError: ONNX can't express the network.
        OSError: the file can't be written.
    """
    positional = _Positional(graph).eval()
    batch = {0: torch.export.Dim("batch", min=1, max=LARGEST_BATCH)} if dynamic else None
    with _quiet():
        try:
            # torch.onnx.export would give every input's batch a length of its own, and fail on that.
            exported = torch.export.export(
                positional, example, dynamic_shapes=(tuple(batch for _ in example),) if batch else None, strict=False
            )
            program = torch.onnx.export(
                exported,
                input_names=list(names),
                output_names=[OUTPUT],
                opset_version=OPSET,
                dynamo=True,
                verbose=False,
            )
        except (torch.onnx.errors.OnnxExporterError, RuntimeError) as error:
            cause = error.__cause__ or error
            said = (str(cause).strip().splitlines() or [type(cause).__name__])[0]
            raise ModelError(f"The network can't be written as ONNX: {said}") from error
        if program is None:
            raise ModelError("The network can't be written as ONNX: the exporter returned nothing.")
        weights = sum(tensor.nbytes for tensor in (*graph.parameters(), *graph.buffers()))
        program.save(path, external_data=weights > INLINE_BYTES)


class _Positional(nn.Module):
    """A graph with its inputs as one tuple, so that one form of `dynamic_shapes` fits every graph."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, *inputs: torch.Tensor) -> torch.Tensor:
        for other in inputs[1:]:
            # The exporter gives each input a batch of its own, even if their dimensions have one name.
            torch._check(other.shape[0] == inputs[0].shape[0])  # type: ignore[no-untyped-call]
        out: torch.Tensor = self.network(*inputs)
        return out


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Silence the exporter's notes about unused operators, and about axes that share a name on purpose."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)
