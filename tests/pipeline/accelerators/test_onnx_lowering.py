"""Lowering by node: the exporter writes the same graph as after torch's own lowering, which the rest falls back to."""

from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from torch import nn
from torch.export import ExportedProgram

from pipeline.accelerators import onnx_export
from pipeline.accelerators.onnx_export import export

ROWS = torch.linspace(-2.0, 2.0, 24).reshape(2, 3, 4)


def ordinary(rows: torch.Tensor) -> torch.Tensor:
    with torch.autocast("cpu", enabled=False):
        normal = nn.functional.rms_norm(rows.to(torch.float32), (4,), eps=1e-6)
    halves = normal.to(torch.float16).to(torch.float32).chunk(2, -1)
    return (3.0 - torch.outer(rows[0, 0], rows[1, 1])[:2, :2].sum() * halves[0]).movedim(0, 0)


def writing(rows: torch.Tensor) -> torch.Tensor:
    copy = rows.clone()
    copy[:, 0] = rows[:, 1].sin()
    return copy


def returns_its_cast(rows: torch.Tensor) -> torch.Tensor:
    return (rows * 2.0).to(torch.float32)


class Network(nn.Module):
    """A function as a network."""

    def __init__(self, function: Callable[[torch.Tensor], torch.Tensor]) -> None:
        super().__init__()
        self.function = function

    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        return self.function(rows)


@pytest.mark.parametrize(("function", "by_node"), [(ordinary, True), (returns_its_cast, True), (writing, False)])
def test_graph_equals_whole_lowering(
    function: Callable[[torch.Tensor], torch.Tensor], by_node: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole: list[ExportedProgram] = []
    lower_whole = ExportedProgram.run_decompositions

    def noted(program: ExportedProgram, *table: object) -> ExportedProgram:
        whole.append(program)
        return lower_whole(program, *table)  # type: ignore[arg-type]

    monkeypatch.setattr(ExportedProgram, "run_decompositions", noted)
    export(Network(function), (ROWS,), ("rows",), tmp_path / "quick.onnx", False)
    assert bool(whole) != by_node
    monkeypatch.setattr(onnx_export, "lower_by_node", lambda program: None)
    export(Network(function), (ROWS,), ("rows",), tmp_path / "whole.onnx", False)
    kinds = [Counter(node.op_type for node in onnx.load(path).graph.node) for path in sorted(tmp_path.iterdir())]
    assert kinds[0] == kinds[1]
    session = onnxruntime.InferenceSession(tmp_path / "quick.onnx", providers=["CPUExecutionProvider"])
    np.testing.assert_allclose(session.run(None, {"rows": ROWS.numpy()})[0], function(ROWS), rtol=0, atol=1e-5)


def test_whole_lowering_after_a_failure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def untranslated(program: ExportedProgram) -> None:
        """Leave an operator that the exporter does not know, as a node that is lowered by itself may."""
        for node in program.graph.find_nodes(op="call_function", target=torch.ops.aten.mul.Tensor):
            node.target = torch.ops.aten.special_bessel_j0.default
            node.args = node.args[:1]
        vars(program)["run_decompositions"] = lambda table: program

    monkeypatch.setattr(onnx_export, "lower_by_node", untranslated)
    export(Network(returns_its_cast), (ROWS,), ("rows",), tmp_path / "out.onnx", False)
    session = onnxruntime.InferenceSession(tmp_path / "out.onnx", providers=["CPUExecutionProvider"])
    np.testing.assert_allclose(session.run(None, {"rows": ROWS.numpy()})[0], ROWS.numpy() * 2, rtol=0, atol=1e-5)
    monkeypatch.setattr(onnx_export, "_EXPORT_ERRORS", ())
    with pytest.raises(torch.onnx.errors.OnnxExporterError):
        export(Network(returns_its_cast), (ROWS,), ("rows",), tmp_path / "fails.onnx", False)
