"""Memory that a model needs, told from headers: against what is loaded, and by accelerator."""

from pathlib import Path

import pytest
import torch

from pipeline.accelerators import openvino
from pipeline.accelerators.candidates import Candidate
from pipeline.accelerators.engines import Preparation
from pipeline.memory_need import LIBRARIES, memory_need
from pipeline.models import Model, load_model
from pipeline.prepared_engines import model_shapes
from pipeline.weight_counts import count_denoiser, count_weights
from presets.errors import ModelError
from tests.tiny_folders import add_hole, write_family_folder

SIDE = 64
HOLE = 10**12


@pytest.fixture(scope="module")
def sana(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a text encoder that keeps the type of its file."""
    return write_family_folder("sana", tmp_path_factory.mktemp("sana"))


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Model:
    """A model whose network has a trillion weights more."""
    folder = write_family_folder("stable-diffusion", tmp_path_factory.mktemp("large"))
    add_hole(folder / "unet" / "diffusion_pytorch_model.safetensors", HOLE)
    return load_model(folder)


def need_of(model: Model, accelerator: str, precision: str = "", requests: int = 2, converts: bool = False) -> int:
    preparation = Preparation(lambda text, fraction: None, threads=2)
    shapes = model_shapes(model, SIDE, SIDE, 16)
    return memory_need(model, shapes, Candidate(accelerator, precision, requests), preparation, converts).main


def test_headers_tell_what_is_loaded(sana: Path) -> None:
    model = load_model(sana)
    for component in ("transformer", "vae", "text_encoder"):
        weights = list(model.read_network(component).parameters())
        found = count_weights(model.weights[component])
        assert found.weights == sum(weight.numel() for weight in weights)
        assert found.stored == sum(weight.numel() * weight.element_size() for weight in weights)
    assert count_denoiser(model) == count_weights(model.weights["transformer"]).weights


def test_replaced_file_is_counted_anew(tmp_path: Path) -> None:
    from safetensors.torch import save_file

    for count in (3, 5):
        save_file({"a": torch.zeros(count, 2, dtype=torch.float16)}, tmp_path / "a.safetensors")
        assert count_weights([tmp_path / "a.safetensors"]) == (2 * count, 4 * count)
    (tmp_path / "a.safetensors").write_bytes(b"\x05\0\0\0\0\0\0\0[1,2]")
    with pytest.raises(ModelError, match="has no header of weights"):
        count_weights([tmp_path / "a.safetensors"])


def test_need_follows_precision(large: Model) -> None:
    whole, half = need_of(large, "eager"), need_of(large, "eager", "bfloat16")
    assert whole > 4 * HOLE
    assert whole - LIBRARIES == pytest.approx(2 * (half - LIBRARIES), rel=1e-3)


def test_openvino_needs_a_copy_for_each_network(large: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    two, one = (need_of(large, "openvino", "bfloat16", requests) for requests in (2, 1))
    assert two - LIBRARIES == pytest.approx(2 * (one - LIBRARIES), rel=1e-3), "one more for batches in two parts"
    assert need_of(large, "openvino", "bfloat16", converts=True) == pytest.approx(8 * HOLE, rel=1e-3)
    monkeypatch.setattr(openvino, "LARGE", 10 * HOLE)
    assert need_of(large, "openvino", "bfloat16") == pytest.approx(8 / 2 * two, rel=1e-3), "one for each small size"


def test_engine_stands_for_the_network(large: Model, tmp_path: Path) -> None:
    (tmp_path / "engine.onnx").write_bytes(bytes(1000))
    preparation = Preparation(lambda text, fraction: None, cache=tmp_path, engine=tmp_path / "engine.onnx")
    shapes = model_shapes(large, SIDE, SIDE, 16)
    assert memory_need(large, shapes, Candidate("eager"), preparation).main < LIBRARIES + 10**7
