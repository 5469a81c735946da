"""ONNX Runtime computes the same as eager torch, on the memory of torch tensors. Each ONNX file is cached."""

import shutil
import sys
from pathlib import Path
from typing import Any

import onnx
import pytest
import torch
from onnx import TensorProto, helper
from onnxruntime.capi import onnxruntime_pybind11_state as runtime

from pipeline.accelerators import onnxruntime as accelerator
from pipeline.accelerators import registry
from pipeline.accelerators.engines import Engines, Preparation, Shapes
from pipeline.accelerators.onnx_cuda import NO_GRAPH, GraphNumbers, provider_options, run_options
from pipeline.accelerators.onnx_files import exported_files
from pipeline.accelerators.onnx_network import ERRORS, OnnxNetwork
from pipeline.denoiser import ConditioningRows
from pipeline.models import load_model
from presets.errors import AcceleratorUnavailable, ModelError, StreamError

TINY = Shapes(64, 64, (4, 8, 8), (12, 16), 10)


def quiet(text: str, fraction: float) -> None:
    assert text
    assert 0 <= fraction <= 1


@pytest.fixture(scope="module")
def engines(tiny_folder: Path, onnx_cache: Path) -> Engines:
    model = load_model(tiny_folder)
    engines = accelerator.build(model, TINY, Preparation(quiet, 1, onnx_cache))
    assert not {"unet", "autoencoder"} & vars(model).keys()  # the networks came from the cache
    return engines


def inputs(rows: int) -> tuple[torch.Tensor, torch.Tensor, ConditioningRows]:
    generator = torch.Generator().manual_seed(rows)
    return (
        torch.randn(rows, *TINY.latent, generator=generator),
        torch.linspace(1000, 37.3, rows),
        ConditioningRows(torch.randn(rows, *TINY.embeds, generator=generator)),
    )


@pytest.mark.parametrize("rows", [1, 3, 10])
def test_denoiser_equals_eager(reference: Engines, engines: Engines, rows: int) -> None:
    latents, timesteps, text = inputs(rows)
    expected = reference.denoiser(latents, timesteps, text)
    moved = reference.denoiser(latents, timesteps, ConditioningRows(text.embeds.flip(-1))) - expected
    assert moved.abs().max() > 100 * 1e-4
    torch.testing.assert_close(engines.denoiser(latents, timesteps, text), expected, rtol=0, atol=1e-4)
    assert rows in engines.sizes


def test_graphs_replay_their_own_addresses() -> None:
    """The decision alone: a graph of other memory would draw another picture."""

    def addresses(first: int, rows: int) -> tuple[tuple[str, int, torch.Size], ...]:
        return (("latents", first, torch.Size([rows, 4])), ("out", 7, torch.Size([rows, 4])))

    numbers = GraphNumbers(captures=True, most=2)
    given = [numbers.of(addresses(*each)) for each in ((1, 2), (1, 3), (1, 2), (5, 2), (1, 3))]
    assert given == [1, 2, 1, NO_GRAPH, 2]
    assert GraphNumbers(captures=False).of(addresses(1, 2)) == NO_GRAPH
    numbers.captures = False
    assert numbers.of(addresses(1, 2)) == NO_GRAPH, "given up"
    options = run_options(2)
    assert options.get_run_config_entry("gpu_graph_id") == "2"
    assert options.get_run_config_entry("disable_synchronize_execution_providers") == "1"


def test_card_gets_torchs_stream() -> None:
    options = provider_options(torch.device("cuda:1"), 94, captures=True)
    assert options == {"device_id": "1", "use_tf32": "0", "user_compute_stream": "94", "enable_cuda_graph": "1"}
    assert provider_options(torch.device("cuda"), 94, captures=False)["enable_cuda_graph"] == "0"


def test_tensors_are_read_in_place(engines: Engines) -> None:
    latents, timesteps, text = inputs(2)
    first = engines.denoiser(latents, timesteps, text).clone()
    latents.mul_(-1)
    second = engines.denoiser(latents, timesteps, text).clone()
    assert (first - second).abs().max() > 1e-2
    for _ in range(20):  # reuses freed memory
        engines.denoiser(*inputs(3))
    torch.testing.assert_close(engines.denoiser(latents, timesteps, text), second, rtol=0, atol=1e-5)


def test_autoencoder_equals_eager(reference: Engines, engines: Engines) -> None:
    pixels = torch.randint(0, 256, (1, 64, 64, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    latent = reference.encode(pixels)
    torch.testing.assert_close(engines.encode(pixels), latent, rtol=0, atol=1e-4)
    one, other = reference.decode(latent), engines.decode(latent)
    assert one.dtype == other.dtype == torch.uint8
    assert (one.int() - other.int()).abs().max() <= 1
    assert one.float().std() > 1


def test_damaged_file_is_exported_again(tiny_folder: Path, onnx_cache: Path, tmp_path: Path) -> None:
    cache = Path(shutil.copytree(onnx_cache, tmp_path / "cache"))
    (damaged,) = cache.glob("onnx-decoder-*/graph.onnx")
    damaged.write_bytes(damaged.read_bytes()[:-100])
    messages: list[str] = []
    accelerator.build(
        load_model(tiny_folder), TINY, Preparation(lambda text, fraction: messages.append(text), 1, cache)
    )
    assert any(f"{damaged.parent} is damaged; exporting the decoder again: " in text for text in messages)
    assert [text for text in messages if text.startswith("exporting")] == ["exporting the decoder"]


def test_file_pruned_during_export(tiny_folder: Path, onnx_cache: Path, tmp_path: Path) -> None:
    cache = Path(shutil.copytree(onnx_cache, tmp_path / "cache"))
    (encoder,), (decoder,) = cache.glob("onnx-encoder-*"), cache.glob("onnx-decoder-*")
    shutil.rmtree(decoder)
    messages: list[str] = []

    def progress(text: str, fraction: float) -> None:
        if text == "exporting the decoder":
            shutil.rmtree(encoder)
        messages.append(text)

    with exported_files(load_model(tiny_folder), TINY, progress, cache, parts=("encoder", "decoder")) as files:
        assert all(file.is_file() for file in files.values())
    assert messages == ["exporting the decoder", "exporting the encoder"]


def test_errors_omit_source_locations(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "graph.onnx"
    ports = [
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, sides)]
        for name, sides in (("a", ["N", 3]), ("b", None))
    ]
    shape = helper.make_tensor("shape", TensorProto.INT64, [2], [7, 2])
    graph = helper.make_graph([helper.make_node("Reshape", ["a", "shape"], ["b"], "turn")], "graph", *ports, [shape])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.save(model, path)
    network = OnnxNetwork(path, torch.device("cpu"), 1)
    with pytest.raises(ModelError) as raised:
        network({"a": torch.zeros(1, 3)}, torch.zeros(7, 2))
    assert "can't run the network: Reshape 'turn': " in str(raised.value)
    assert str(raised.value).endswith("Input shape:{1,3}, requested shape:{7,2}")
    model.ir_version = 99
    onnx.save(model, path)
    with pytest.raises(ModelError) as unread:
        OnnxNetwork(path, torch.device("cpu"), 1)
    assert str(unread.value).startswith(f"{path} can't be read as ONNX: Unsupported model IR version: 99")
    for sentence in (str(raised.value), str(unread.value)):
        assert "onnxruntime" not in sentence
        assert "\n" not in sentence
    assert capfd.readouterr() == ("", "")


def test_errors_of_onnx_runtime() -> None:
    assert {runtime.InvalidProtobuf, runtime.NotFound, runtime.EngineError, runtime.ModelLoadCanceled} < {*ERRORS}
    assert Exception not in ERRORS


def test_build_without_denoiser_and_cache(tiny_folder: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    messages: list[str] = []
    preparation = Preparation(
        lambda text, fraction: messages.append(text), 1, tmp_path / "file", engine=tmp_path / "another.onnx"
    )
    engines = accelerator.build(load_model(tiny_folder), TINY, preparation)
    assert any("The next start exports again." in text for text in messages)
    assert engines.decode(torch.zeros(1, *TINY.latent)).shape == (1, 64, 64, 3)
    assert "exporting the denoiser" not in messages
    with pytest.raises(StreamError, match="without a denoiser"):
        engines.denoiser(*inputs(1))


def test_absent_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    assert registry.choose("onnxruntime") == ("onnxruntime", "asked for")
    monkeypatch.setitem(sys.modules, "onnxruntime", None)  # makes its import fail
    with pytest.raises(AcceleratorUnavailable, match=r"ONNX Runtime can't be used.*pip install 'streamflow-live\[onnx"):
        registry.choose("onnxruntime")


def test_unreadable_file_and_absent_cuda(tmp_path: Path, onnx_cache: Path) -> None:
    (tmp_path / "no.onnx").write_bytes(b"hello")
    with pytest.raises(ModelError, match=r"no\.onnx can't be read as ONNX"):
        OnnxNetwork(tmp_path / "no.onnx", torch.device("cpu"))
    with pytest.raises(ModelError, match=r"udcff\.onnx' can't be read as ONNX: its name is not valid text"):
        OnnxNetwork(tmp_path / "\udcff.onnx", torch.device("cpu"))
    (path,) = onnx_cache.glob("onnx-decoder-*/graph.onnx")
    with pytest.raises(AcceleratorUnavailable, match="pip install"):
        OnnxNetwork(path, torch.device("cuda", 0))


def test_wrong_shape_is_refused(onnx_cache: Path) -> None:
    (path,) = onnx_cache.glob("onnx-decoder-*/graph.onnx")
    network: Any = OnnxNetwork(path, torch.device("cpu"), 1)
    with pytest.raises(ModelError, match=r"can't run the network: .*invalid dimensions"):
        network({"latents": torch.zeros(1, 3, 8, 8)}, torch.zeros(1, 64, 64, 3, dtype=torch.uint8))
