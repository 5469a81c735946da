"""Networks in 8 bits: what they are made from, their keys, and half a precision where they can't be made.

The optimiser is in no extra of the tests: what needs it runs where it is installed.
"""

import importlib.util
import logging
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper
from tensorrt_rig import CAPABILITY, SHAPES, check_progress

from pipeline.accelerators import calibration, eight_bits, quantised_scales
from pipeline.accelerators.calibration import calibration_rows
from pipeline.accelerators.engines import Engines, Preparation, left_out
from pipeline.accelerators.onnx_files import exported_files, precision_of
from pipeline.accelerators.tensorrt import RTX
from pipeline.accelerators.tensorrt_engines import EngineBuilder, engine_builder, engine_sources
from pipeline.accelerators.tensorrt_library import TENSORRT_RTX
from pipeline.models import Model
from presets.errors import AcceleratorUnavailable, MemoryShort, StreamflowError


def test_rows_are_those_of_a_show(tiny: Model) -> None:
    rows = calibration_rows(tiny, SHAPES, 6)
    assert {name: values.shape for name, values in rows.items()} == {
        name: (6, *shape) for name, shape in SHAPES.row_inputs.items()
    }
    strengths = np.linspace(1.0, calibration.WEAKEST, 6)
    entered = [tiny.schedule(4, float(strength), (64, 64)).timestep[0] for strength in strengths]
    np.testing.assert_allclose(rows["timesteps"], entered)
    assert len({values.tobytes() for values in rows["latents"]}) == 6
    assert len({values.tobytes() for values in rows["embeds"]}) == 4, "each text in turn"
    again = calibration_rows(tiny, SHAPES, 6)
    assert all((rows[name] == again[name]).all() for name in rows), "another build measures the same ranges"
    later = calibration_rows(tiny, SHAPES, 1, first=6)
    assert not any((later["latents"][0] == one).all() for one in rows["latents"])


def builder_in(precision: str, tiny: Model, root: Path) -> EngineBuilder:
    return engine_builder(TENSORRT_RTX, CAPABILITY, precision, tiny, SHAPES, root)


def test_only_the_denoiser_has_eight_bits(tiny: Model, tmp_path: Path) -> None:
    half, *others = (builder_in(precision, tiny, tmp_path) for precision in ("float16", "fp8", "int8"))
    keys = [
        {source.name: each.key(source) for source in engine_sources(each, tiny, SHAPES)} for each in (half, *others)
    ]
    assert len({key["denoiser"].digest for key in keys}) == 3
    assert len({key[name].digest for key in keys for name in ("encoder", "decoder")}) == 2, "built once for all three"
    assert "nvidia-modelopt" in keys[1]["denoiser"].version
    assert "nvidia-modelopt" not in keys[0]["denoiser"].version
    assert precision_of("bfloat16", "decoder", False) == "bfloat16"


def test_older_cards_are_refused(tiny: Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(
        AcceleratorUnavailable, match=r"can't build in fp8: fp8 needs a card of compute capability 8\.9"
    ):
        engine_builder(TENSORRT_RTX, "8.6", "fp8", tiny, SHAPES, tmp_path)
    assert engine_builder(TENSORRT_RTX, "12.0", "fp8", tiny, SHAPES, tmp_path).precision == "fp8"
    assert engine_builder(TENSORRT_RTX, "7.5", "int8", tiny, SHAPES, tmp_path).precision == "int8"
    monkeypatch.setattr("pipeline.accelerators.tensorrt_library.unavailable_reason", lambda flavour: "")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda: (8, 6))
    assert not RTX.is_kept(tiny, SHAPES, Preparation(check_progress, cache=tmp_path, precision="fp8"))


def test_missing_optimizer_is_told(tiny: Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    there = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "modelopt" else there(name))
    with pytest.raises(AcceleratorUnavailable, match=r"fp8 needs NVIDIA's Model Optimizer.*pip install .*\[fp8\]"):
        RTX.prepare(tiny, SHAPES, Preparation(check_progress, cache=tmp_path, precision="fp8"), CAPABILITY)


class Builds:
    """Builds engines in some precisions, and raises for the others."""

    def __init__(self, error: StreamflowError, *possible: str) -> None:
        self._error, self._possible = error, possible
        self.asked: list[str] = []

    def __call__(self, preparation: Preparation) -> Engines:
        self.asked.append(preparation.precision)
        if preparation.precision not in self._possible:
            raise self._error
        return Engines(left_out, torch.clone, torch.clone, (1,), torch.device("cpu"), preparation.precision)


def test_half_precision_plays_instead(caplog: pytest.LogCaptureFixture) -> None:
    preparation = Preparation(check_progress, precision="fp8")
    refused = AcceleratorUnavailable("this network has what fp8 lacks.")
    with caplog.at_level(logging.WARNING):
        engines = eight_bits.or_wider(Builds(refused, "float16"), preparation)
    assert engines.precision == "float16"
    assert engines.remarks == ("float16 in place of fp8: this network has what fp8 lacks.",)
    assert [record.message for record in caplog.records] == list(engines.remarks), "one sentence"
    assert eight_bits.or_wider(Builds(refused, "fp8"), preparation).remarks == ()


@pytest.mark.parametrize(
    ("error", "precision", "asked"),
    [
        (AcceleratorUnavailable("no"), "bfloat16", ["bfloat16"]),
        (MemoryShort("no"), "fp8", ["fp8"]),
        (AcceleratorUnavailable("no"), "int8", ["int8", "float16"]),
    ],
)
def test_other_failures_pass_through(error: StreamflowError, precision: str, asked: list[str]) -> None:
    builds = Builds(error)
    with pytest.raises(type(error)):
        eight_bits.or_wider(builds, Preparation(check_progress, precision=precision))
    assert builds.asked == asked


def write_rounded(path: Path, scale: Any) -> None:
    """Write a float16 network that rounds its input to int8 and back."""
    zero = numpy_helper.from_array(np.int8(0), "zero")
    nodes = [
        helper.make_node("Identity", ["x"], ["same"]),
        helper.make_node("QuantizeLinear", ["same", "scale", "zero"], ["rounded"]),
        helper.make_node("DequantizeLinear", ["rounded", "scale", "zero"], ["out"]),
    ]
    x, out = (helper.make_tensor_value_info(name, TensorProto.FLOAT16, [4]) for name in ("x", "out"))
    graph = helper.make_graph(nodes, "graph", [x], [out], [numpy_helper.from_array(scale, "scale"), zero])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 19)], ir_version=9), path)


def test_scales_have_the_type_of_their_tensor(tmp_path: Path) -> None:
    """ONNX Runtime refuses the file before, and rounds as the scale says after."""
    import onnxruntime

    write_rounded(path := tmp_path / "graph.onnx", np.float32(0.5))
    with pytest.raises(onnxruntime.capi.onnxruntime_pybind11_state.Fail, match="bound to different types"):
        onnxruntime.InferenceSession(path)
    assert quantised_scales.match_types(path) == 2
    values = np.array([0.2, 0.3, -0.8, 9.0], np.float16)
    (out,) = onnxruntime.InferenceSession(path).run(None, {"x": values})
    assert out.tolist() == [0.0, 0.5, -1.0, 9.0]
    assert quantised_scales.match_types(path) == 0
    write_rounded(path, np.float16(0.5))
    assert quantised_scales.match_types(path) == 0


def test_optimizer_keeps_the_network(tiny: Model, tmp_path: Path) -> None:
    """The real optimiser: the network in fp8 stays near that in float32, and is none of its neighbours."""
    import onnxruntime

    rows = calibration_rows(tiny, SHAPES, 6, first=100)
    outs = []
    for precision in ("float32", "fp8"):
        with exported_files(tiny, SHAPES, check_progress, tmp_path, precision, ("denoiser",)) as files:
            (out,) = onnxruntime.InferenceSession(files["denoiser"]).run(None, rows)
            outs.append(out.astype(np.float64))
    exact, rounded = outs
    decibels = 10 * np.log10((exact**2).mean() / ((rounded - exact) ** 2).mean())
    assert 15 < decibels < 45
    half = replace(builder_in("fp8", tiny, tmp_path), precision="float16")
    assert half.key(engine_sources(half, tiny, SHAPES, ["denoiser"])[0]).precision == "float16"
