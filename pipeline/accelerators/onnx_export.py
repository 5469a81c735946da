"""Export of a torch graph to an ONNX file, for ONNX Runtime and TensorRT."""

import contextlib
import importlib
import importlib.util
import logging
import warnings
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.export import ExportedProgram

from pipeline.accelerators.onnx_lowering import lower_by_node
from pipeline.library_imports import garbage_kept
from presets.errors import ModelError

log = logging.getLogger(__name__)

OPSET = 18
OUTPUT = "out"
"""Name of the only output."""

INLINE_BYTES = 1_900_000_000
"""Most bytes of weights in the ONNX file itself, since a protobuf message is limited to 2 GiB. Larger weights go to
``PATH.data``."""

LARGEST_BATCH = 63
"""Upper bound of a dynamic batch. From 64 rows on, diffusers' UNet takes another branch with the same result, which
the exporter can't leave open."""

_EXPORT_ERRORS = (torch.onnx.errors.OnnxExporterError, RuntimeError)
"""Errors that torch raises for a network that it can't export."""

RULES = (
    "add_0",
    "cast_cast",
    "div_by_1",
    "materialize_reshape_shape",
    "mul_by_1",
    "no_op_cast",
    "no_op_expand",
    "no_op_transpose",
    "remove_optional_bias_from_conv",
    "reshape_reshape",
    "squeeze_reshape_1d",
    "sub_0",
    "transpose_transpose",
    "unsqueeze_unsqueeze",
)
"""Rewriting rules of onnxscript that find something in diffusion networks."""


def unavailable_reason() -> str:
    """Return the reason why nothing can be exported here, or an empty text. Neither package is imported."""
    absent = [name for name in ("onnx", "onnxscript") if importlib.util.find_spec(name) is None]
    if not absent:
        return ""
    return f"{' and '.join(absent)} {'is' if len(absent) == 1 else 'are'} not installed"


@torch.no_grad()
def export(
    graph: nn.Module, example: tuple[torch.Tensor, ...], names: Sequence[str], path: Path, dynamic: bool
) -> None:
    """Write `graph` to `path`, with the input names `names` and the output name `OUTPUT`.

    The file is strongly typed: weights keep the dtype they have in `graph`, inputs that of `example`.

    Args:
        graph: Takes tensors by position and returns one tensor, like those of `pipeline.graphs`.
        example: A tensor for each input. With `dynamic` it needs two rows or more: the exporter treats a batch of 1 as
            a constant.
        names: A name for each input.
        path: Path of the file. Weights above `INLINE_BYTES` are written to ``PATH.data``, which must stay beside it.
        dynamic: Allow a batch, the first dimension of all inputs and of the output, of 1 to `LARGEST_BATCH`.

    Raises:
        ModelError: the network can't be expressed in ONNX.
        OSError: the file can't be written.
    """
    positional = _Positional(graph).eval()
    batch = {0: torch.export.Dim("batch", min=1, max=LARGEST_BATCH)} if dynamic else None
    with _quiet(), garbage_kept():
        try:
            program = _translated(positional, example, names, batch)
        except _EXPORT_ERRORS as error:
            cause = error.__cause__ or error
            reason = (str(cause).strip().splitlines() or [type(cause).__name__])[0]
            raise ModelError(f"The network can't be exported to ONNX: {reason}") from error
        if program is None:
            raise ModelError("The network can't be exported to ONNX: the exporter returned nothing.")
        _optimize(program)
        weights = sum(tensor.nbytes for tensor in (*graph.parameters(), *graph.buffers()))
        program.save(path, external_data=weights > INLINE_BYTES)


def _translated(
    positional: nn.Module, example: tuple[torch.Tensor, ...], names: Sequence[str], batch: dict[int, Any] | None
) -> torch.onnx.ONNXProgram | None:
    """Return the ONNX program of a network, lowered by node, or as a whole if the exporter can't translate that."""

    def translate(lower: Callable[[ExportedProgram], None]) -> torch.onnx.ONNXProgram | None:
        # torch.onnx.export would give each input a batch dimension of its own, and fail on that.
        exported = torch.export.export(
            positional, example, dynamic_shapes=(tuple(batch for _ in example),) if batch else None, strict=False
        )
        lower(exported)
        return torch.onnx.export(
            exported,
            input_names=list(names),
            output_names=[OUTPUT],
            opset_version=OPSET,
            dynamo=True,
            optimize=False,
            verbose=False,
        )

    try:
        return translate(lower_by_node)
    except _EXPORT_ERRORS as error:
        log.debug("the network is lowered as a whole: %s", error)
        return translate(lambda program: None)


def _optimize(program: torch.onnx.ONNXProgram) -> None:
    """Inline functions, fold constants and remove operators without an effect, in place.

    ``onnxscript.optimizer`` does so twice, with 46 rules, one of which compares each node with all others. After one
    time with these ONNX Runtime's own optimiser arrives at the same graph.
    """
    optimizer: Any = importlib.import_module("onnxscript.optimizer")
    rewriter: Any = importlib.import_module("onnxscript.rewriter")
    rules: Any = importlib.import_module("onnxscript.rewriter.rules.common")
    passes: Any = importlib.import_module("onnx_ir.passes.common")
    passes.InlinePass()(program.model)
    optimizer.fold_constants_ir(program.model, onnx_shape_inference=True)
    wanted = [rule for name in RULES for rule in getattr(rules, f"{name}_rule").commute()]
    for each in (
        rewriter.RewritePass(wanted),
        passes.RemoveUnusedNodesPass(),
        passes.RemoveUnusedFunctionsPass(),
        passes.RemoveUnusedOpsetsPass(),
        passes.LiftConstantsToInitializersPass(lift_all_constants=True, size_limit=0),
        passes.DeduplicateInitializersPass(),
        passes.CommonSubexpressionEliminationPass(),
        passes.OutputFixPass(),
        passes.NameFixPass(),
    ):
        each(program.model)


class _Positional(nn.Module):
    """Wrapper that takes any number of inputs as one tuple, so that `dynamic_shapes` has one form for all graphs."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, *inputs: torch.Tensor) -> torch.Tensor:
        for other in inputs[1:]:
            # The exporter would treat the batch of each input as independent, although the dimensions share a name.
            torch._check(other.shape[0] == inputs[0].shape[0])  # type: ignore[no-untyped-call]
        out: torch.Tensor = self.network(*inputs)
        return out


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Silence the exporter's warnings about unused operators and about axes that share a name on purpose."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)
