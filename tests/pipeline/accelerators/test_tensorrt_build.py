"""TensorRT-RTX builds engines without a GPU for every model family, and refuses the rest with the reason."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import onnx
import pytest
import torch
from onnx import TensorProto, helper
from tensorrt_rig import CAPABILITY, SHAPES, check_progress

from pipeline.accelerators import cache, registry, tensorrt, tensorrt_build, tensorrt_library
from pipeline.accelerators.engines import Preparation, Progress
from pipeline.accelerators.onnx_export import export
from pipeline.accelerators.tensorrt_context import capture_calls, narrowest_profile
from pipeline.accelerators.tensorrt_engines import (
    PLAN,
    EngineBuilder,
    EngineSource,
    engine_builder,
    engine_plans,
    profiles,
)
from pipeline.accelerators.tensorrt_library import TENSORRT, TENSORRT_RTX
from pipeline.accelerators.tensorrt_network import TensorRTNetwork, open_engine
from pipeline.families.flux import FluxDenoiser
from pipeline.families.sana import SanaDenoiser
from pipeline.families.sd3 import SD3Denoiser
from pipeline.graphs import FamilyGraph, precise
from pipeline.models import Model
from presets.errors import AcceleratorUnavailable, CacheError, ModelError
from tests.pipeline.families.tiny_networks import flux_network, sana_network, sd3_network

pytest.importorskip("tensorrt_rtx", reason="TensorRT-RTX has wheels for x86-64 Linux and Windows only")


def with_blocks(transformer: Any, blocks: slice) -> Any:
    """Return the transformer with some of its blocks only, because the exporter takes seconds for each."""
    transformer.transformer_blocks = transformer.transformer_blocks[blocks]
    return transformer


FAMILIES: dict[str, Callable[[], tuple[FamilyGraph, tuple[int, int, int]]]] = {
    "sd3": lambda: (FamilyGraph(SD3Denoiser(with_blocks(sd3_network(), slice(-1, None))), 7), (4, 8, 8)),
    "flux": lambda: (FamilyGraph(FluxDenoiser(flux_network(True), (4, 8, 8)), 7), (4, 8, 8)),
    "sana": lambda: (FamilyGraph(SanaDenoiser(with_blocks(sana_network(), slice(1))), 7), (4, 4, 4)),
}


@pytest.mark.parametrize("family", FAMILIES)
def test_transformers_in_half_precision(family: str, tmp_path: Path) -> None:
    graph, latent = FAMILIES[family]()
    shape = graph.adapter.conditioning(7)
    tensors = {
        "latents": torch.zeros(2, *latent),
        "timesteps": torch.tensor([1000.0, 500.0]),
        "embeds": torch.zeros(2, *shape.embeds),
        "mask": torch.ones(2, 7),
        "pooled": torch.zeros(2, shape.pooled or 1),
        "guidance": torch.ones(2),
    }

    @contextmanager
    def exported(progress: Progress) -> Iterator[Path]:
        example = tuple(tensors[name] for name in graph.names)
        export(precise(graph, "float16"), example, graph.names, tmp_path / "graph.onnx", True)
        yield tmp_path / "graph.onnx"

    source = EngineSource("denoiser", exported, str(latent), ((1, 2, 4), (2, 2, 2)), 1.0)
    builder = EngineBuilder(TENSORRT_RTX, CAPABILITY, "float16", family, family, tmp_path / "engines")
    (plan,) = engine_plans(builder, [source], check_progress)
    entry, reason = cache.lookup(builder.root, builder.key(source))
    assert reason == ""
    assert entry is not None
    assert (entry / PLAN).read_bytes() == bytes(plan)
    assert len(bytes(plan)) > 100_000
    (again,) = engine_plans(builder, [source], check_progress)
    assert bytes(again) == bytes(plan)


def write_unsupported_network(path: Path) -> None:
    """Write a network that transposes bytes, which TensorRT does not support."""
    node = helper.make_node("Transpose", ["pixels"], ["out"], name="turn", perm=[1, 0])
    pixels = helper.make_tensor_value_info("pixels", TensorProto.UINT8, [2, 3])
    out = helper.make_tensor_value_info("out", TensorProto.UINT8, [3, 2])
    graph = helper.make_graph([node], "graph", [pixels], [out])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9), path)


def test_hot_sizes_have_a_profile_alone() -> None:
    """Classic TensorRT has one fastest kernel for each profile. TensorRT-RTX compiles for each size anyway."""
    assert profiles(TENSORRT, SHAPES) == [(1, 5, 10), (1, 1, 1), (2, 2, 2), (4, 4, 4)]
    assert profiles(TENSORRT, replace(SHAPES, rows=2)) == [(1, 1, 2), (1, 1, 1), (2, 2, 2)]
    assert profiles(TENSORRT_RTX, SHAPES) == [(1, 5, 10)]
    latents, text = (4, 8, 8), (12, 16)

    def of(least: int, most: int) -> list[tuple[tuple[int, ...], tuple[int, ...]]]:
        return [((least, *rest), (most, *rest)) for rest in (latents, text)]

    every = [of(1, 10), of(1, 1), of(2, 2), of(4, 4)]
    chosen = [narrowest_profile(every, [(rows, *latents), (rows, *text)]) for rows in (1, 2, 3, 4, 5, 10, 11)]
    assert chosen == [1, 2, 0, 3, 0, 0, 0], "the last is refused by the first profile"
    assert narrowest_profile([of(2, 2), of(1, 10)], [(3, *latents), (3, *text)]) == 1, "a file of the user's"


def test_engine_of_two_profiles(tmp_path: Path) -> None:
    """A size that belongs to two of them, as TensorRT builds it."""
    node = helper.make_node("Relu", ["x"], ["out"])
    x, out = (helper.make_tensor_value_info(name, TensorProto.FLOAT, ["rows", 8]) for name in ("x", "out"))
    graph = helper.make_graph([node], "graph", [x], [out])
    onnx.save(
        helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9), path := tmp_path / "g"
    )
    sizes = [
        len(bytes(tensorrt_build.build_plan(TENSORRT_RTX, "denoiser", path, rows, CAPABILITY, check_progress)[0]))
        for rows in ([(1, 2, 4)], [(1, 2, 4), (2, 2, 2)])
    ]
    assert 0 < sizes[0] < sizes[1]


def test_calls_are_captured_where_known() -> None:
    trt = tensorrt_library.load_library(TENSORRT_RTX)
    assert isinstance(trt.IRuntimeConfig.cuda_graph_strategy, property), "the runtime configuration has it"
    config = SimpleNamespace(cuda_graph_strategy=trt.CudaGraphStrategy.DISABLED)
    assert capture_calls(trt, config)
    assert config.cuda_graph_strategy is trt.CudaGraphStrategy.WHOLE_GRAPH_CAPTURE
    assert not capture_calls(SimpleNamespace(), config), "version 1.1"


def test_unsupported_node_is_named(tmp_path: Path) -> None:
    write_unsupported_network(tmp_path / "graph.onnx")
    with pytest.raises(AcceleratorUnavailable, match="TensorRT-RTX can't read the encoder: Transpose 'turn'"):
        tensorrt_build.build_plan(TENSORRT_RTX, "encoder", tmp_path / "graph.onnx", (), CAPABILITY, check_progress)
    (tmp_path / "graph.onnx").write_bytes(b"no network")
    with pytest.raises(AcceleratorUnavailable, match="can't read the encoder: "):
        tensorrt_build.build_plan(TENSORRT_RTX, "encoder", tmp_path / "graph.onnx", (), CAPABILITY, check_progress)


def test_removable_causes_come_first() -> None:
    explain = tensorrt_build.explain
    assert "the memory of the card or the machine ran out" in explain(["x", "Error Code 2: OutOfMemory (no 5 GB)", "y"])
    assert "driver is missing or too old" in explain(["In getCurrentCC (cudaError 35: CUDA driver version is ...)"])
    assert explain(["first", "last"]) == "last"
    assert explain([]) == "TensorRT gives no reason."


def test_unsupported_cards_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    target = tensorrt_build.target_capability
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert target(TENSORRT_RTX, "12.0") == "12.0"
    with pytest.raises(AcceleratorUnavailable, match=r"can't build for compute capability 9\.9\. It supports 7\.5, 8"):
        target(TENSORRT_RTX, "9.9")
    with pytest.raises(AcceleratorUnavailable, match=r"finds no NVIDIA GPU to build for\. .* --for: 7\.5, 8\.0"):
        target(TENSORRT_RTX)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda: (9, 0))
    with pytest.raises(AcceleratorUnavailable, match=r"can't build for compute capability 9\.0"):
        target(TENSORRT_RTX)
    reason = tensorrt_library.unavailable_reason(TENSORRT_RTX)
    assert "this GPU has compute capability 9.0, it supports 7.5" in reason
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda: (8, 9))
    assert target(TENSORRT_RTX) == "8.9"
    monkeypatch.setattr(tensorrt_library, "driver_cuda_version", lambda: 12)
    assert "it needs CUDA 13, but the NVIDIA driver" in tensorrt_library.unavailable_reason(TENSORRT_RTX)


def test_absent_gpu_is_the_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(
        AcceleratorUnavailable, match=r"TensorRT-RTX can't be used: torch finds no NVIDIA GPU.*RTX card"
    ):
        registry.choose("tensorrt_rtx")
    with pytest.raises(AcceleratorUnavailable, match="can't load the denoiser: torch finds no NVIDIA GPU"):
        TensorRTNetwork(TENSORRT_RTX, b"", "denoiser", torch.device("cuda"))


def test_foreign_engine_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    cuda, path = torch.device("cuda"), tmp_path / "other.engine"
    path.write_bytes(b"vtrt" + bytes(60))
    with pytest.raises(AcceleratorUnavailable, match=r"TensorRT-RTX can't load the engine other\.engine: torch finds"):
        open_engine(path, cuda)
    path.write_bytes(b"ftrt" + bytes(60))
    with pytest.raises(AcceleratorUnavailable, match=r"^TensorRT can't load the engine other\.engine: "):
        open_engine(path, cuda)
    path.write_bytes(b"")
    with pytest.raises(ModelError, match="is empty"):
        open_engine(path, cuda)
    with pytest.raises(ModelError, match="can't be read: No such file"):
        open_engine(tmp_path / "none.engine", cuda)
    with pytest.raises(AcceleratorUnavailable, match="is an engine for an NVIDIA GPU, but the model runs on the cpu"):
        open_engine(path, torch.device("cpu"))


def test_huge_file_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    sparse = tmp_path / "sparse.engine"
    with sparse.open("wb") as file:
        file.write(b"vtrt")
        file.truncate(1 << 40)
    with pytest.raises(
        AcceleratorUnavailable, match=r"can't load the engine sparse\.engine: torch finds no NVIDIA GPU"
    ):
        open_engine(sparse, torch.device("cuda"))
    monkeypatch.setattr(tensorrt_library, "unavailable_reason", lambda flavour: "")
    with pytest.raises(ModelError, match=r"sparse\.engine has 1099\.5 GB, more than the memory"):
        open_engine(sparse, torch.device("cuda"))


def test_unsupported_precision_is_refused(tiny: Model, tmp_path: Path) -> None:
    with pytest.raises(
        AcceleratorUnavailable, match=r"TensorRT-RTX can't build in fp4\. Choose one of float32, float16"
    ):
        engine_builder(TENSORRT_RTX, CAPABILITY, "fp4", tiny, SHAPES, tmp_path)


def test_prepared_sizes() -> None:
    assert tensorrt.prepared_sizes(1) == (1,)
    assert tensorrt.prepared_sizes(9) == (1, 2, 3, 4, 6, 8, 9)
    assert tensorrt.prepared_sizes(16) == (1, 2, 3, 4, 6, 8, 10, 12, 14, 16)


def test_prepare_needs_a_writable_cache(tiny: Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tensorrt, "engine_plans", lambda builder, sources, progress: iter(()))
    with pytest.raises(CacheError, match="not all of them can be stored in"):
        tensorrt.RTX.prepare(tiny, SHAPES, Preparation(check_progress, cache=tmp_path), CAPABILITY)


def test_float32_is_no_tf32() -> None:
    trt = tensorrt_library.load_library(TENSORRT_RTX)
    builder = trt.Builder(tensorrt_build.error_log(trt))
    assert builder.create_builder_config().get_flag(trt.BuilderFlag.TF32), "the library's default"
    assert not tensorrt_build.builder_config(trt, builder).get_flag(trt.BuilderFlag.TF32)
