"""The measurement `eight_bits` from end to end, on a tiny network: what can't be made is a row with the reason."""

import importlib.util
from pathlib import Path

import pytest

from benchmarks.catalogue import MEASUREMENTS
from benchmarks.plan import BenchPlan, EvaluationSettings
from benchmarks.stream import measure_eight_bits

pytest.importorskip("onnxruntime")
pytestmark = pytest.mark.usefixtures("one_thread")


def test_each_precision_has_a_row(perflow_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(measure_eight_bits, "PRECISIONS", ("fp8",))
    settings = EvaluationSettings(model=str(perflow_folder), name="tiny", size=64, cache=tmp_path)
    (measurement,) = (each for each in MEASUREMENTS if each.name == "eight_bits")
    rows = [*measurement.measure(BenchPlan(tmp_path, quick=True, settings=settings), lambda text: None)]
    other, fp8 = (row for row in rows if isinstance(row, dict))
    assert other["configuration"] == "tiny at 64x64: another prompt in float32"
    assert 5.0 < other["lowest_psnr_db"] <= other["psnr_db"] < 60.0
    assert fp8["configuration"] == "tiny at 64x64: fp8 by ONNX Runtime"
    if importlib.util.find_spec("modelopt") is None:
        assert "needs NVIDIA's Model Optimizer, which is not installed. Install it with: pip" in fp8["missing"]
    else:
        assert other["psnr_db"] < fp8["lowest_psnr_db"]
