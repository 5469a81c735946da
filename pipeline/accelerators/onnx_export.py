"""From a graph of torch to an ONNX file, for ONNX Runtime and for TensorRT."""

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
"""The name of the one output."""

INLINE_BYTES = 1_900_000_000
"""Weights above this go into a second file, ``PATH.data``: a protobuf message ends at 2 GiB."""

LARGEST_BATCH = 63
"""From 64 rows on a UNet of diffusers takes another way, with the same result."""


def missing() -> str:
    """Why nothing can be exported here, or nothing if it can. Imports neither package."""
    lacking = [name for name in ("onnx", "onnxscript") if importlib.util.find_spec(name) is None]
    return f"the package {' and the package '.join(lacking)} it exports with is not installed" if lacking else ""


@torch.no_grad()
def export(
    graph: nn.Module, example: tuple[torch.Tensor, ...], names: Sequence[str], path: Path, dynamic: bool
) -> None:
    """Writes `graph` to `path`, its inputs called `names`, in order, and its output `OUTPUT`.

    The file is strongly typed: weights as the graph has them, inputs as `example` has them.

    Args:
        graph: Positional, from tensors to one tensor; of `pipeline.graphs` or of that kind.
        example: An input each. With `dynamic`, two rows or more, or the exporter takes the one for a constant.
        names: As many as there are inputs.
        path: Of the file; weights above `INLINE_BYTES` lie beside it in ``PATH.data``, which belongs to it.
        dynamic: The first dimension of every input and of the output may be any, 1 to `LARGEST_BATCH`.

    Raises:
        ModelError: a network that can't be said in ONNX.
        OSError: the file can't be written.
    """
    positional = _Positional(graph).eval()
    batch = {0: torch.export.Dim("batch", min=1, max=LARGEST_BATCH)} if dynamic else None
    with _quiet():
        try:
            # Not left to torch.onnx.export, which holds every input's batch for a length of its own, and fails on that.
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
            raise ModelError("The network can't be written as ONNX: the exporter answered nothing.")
        weights = sum(tensor.nbytes for tensor in (*graph.parameters(), *graph.buffers()))
        program.save(path, external_data=weights > INLINE_BYTES)


class _Positional(nn.Module):
    """Any number of inputs as one tuple, so that one form of `dynamic_shapes` fits every graph."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, *inputs: torch.Tensor) -> torch.Tensor:
        for other in inputs[1:]:
            # The exporter gives each input a batch of its own, whatever their dimensions are called.
            torch._check(other.shape[0] == inputs[0].shape[0])  # type: ignore[no-untyped-call]
        out: torch.Tensor = self.network(*inputs)
        return out


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """The exporter tells of operators that were not asked for, and of axes that share a name, as they shall."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)
