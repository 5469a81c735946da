"""Depth models that can't be played are refused with a sentence before a network is loaded, or when it is."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from tiny_depth_model import write_depth_model

from pipeline.controlnet.depth_folder import open_depth_model
from presets.errors import ModelError
from presets.model_store import FOLDER_VARIABLE


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_depth_model(tmp_path_factory.mktemp("good") / "depth")


@pytest.fixture
def folder(good: Path, tmp_path: Path) -> Path:
    """A copy of a good folder, to be spoilt."""
    return Path(shutil.copytree(good, tmp_path / "depth"))


def refusal(name: Path | str) -> str:
    """Return the sentence with which a depth model is refused, which names it."""
    with pytest.raises(ModelError) as refused:
        open_depth_model(str(name)).read()
    assert str(name) in str(refused.value)
    return str(refused.value)


def configured(file: str, **settings: Any) -> Callable[[Path], object]:
    def change(folder: Path) -> None:
        found = json.loads((folder / file).read_text())
        (folder / file).write_text(json.dumps(found | settings))

    return change


def weighted(name: str, tensor: torch.Tensor | None) -> Callable[[Path], object]:
    def change(folder: Path) -> None:
        tensors = load_file(folder / "model.safetensors")
        tensors.pop(name) if tensor is None else tensors.update({name: tensor})
        save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})

    return change


CONFIG, PICTURES, BIAS = "config.json", "preprocessor_config.json", "head.conv3.bias"
FAULTS: dict[str, tuple[Callable[[Path], object], str]] = {
    "no folder": (shutil.rmtree, "There is no depth model"),
    "empty folder": (lambda folder: (shutil.rmtree(folder), folder.mkdir()), "config.json is missing"),
    "a file": (lambda folder: (shutil.rmtree(folder), folder.write_bytes(b"")), "is a file. A depth model is a folder"),
    "another network": (configured(CONFIG, architectures=["DPTForDepthEstimation"]), "is of ['DPTForDepthEstimation']"),
    "a ControlNet": (configured(CONFIG, architectures=None, _class_name="ControlNetModel"), "is no depth model"),
    "metric": (configured(CONFIG, depth_estimation_type="metric"), "gives metric depth, in metres"),
    "contradictory": (configured(CONFIG, fusion_hidden_size=6), "can't be loaded"),
    "no preprocessor": (lambda folder: (folder / PICTURES).unlink(), "preprocessor_config.json is missing"),
    "nearest pixels": (configured(PICTURES, resample=0), "has resample=0"),
    "padded": (configured(PICTURES, do_pad=True), "has do_pad=True"),
    "no size": (configured(PICTURES, size=70), "lacks size"),
    "words for colours": (configured(PICTURES, image_mean=["a", 0, 0]), "lacks size, image_mean or image_std"),
    "two colours": (configured(PICTURES, image_mean=[0.5, 0.5]), "has image_mean (0.5, 0.5)"),
    "no deviation": (configured(PICTURES, image_std=[0.2, 0.2, 0]), "image_std (0.2, 0.2, 0.0)"),
    "other levels": (configured(PICTURES, rescale_factor=1), "rescale_factor 1.0"),
    "huge": (configured(PICTURES, size={"height": 9999, "width": 70}), "has the size (9999, 70)"),
    "other squares": (configured(PICTURES, ensure_multiple_of=16), "the network reads squares of 14 px"),
    "pickled": (
        lambda folder: (folder / "model.safetensors").rename(folder / "pytorch_model.bin"),
        "pickled weights (.bin) are never read",
    ),
    "cut": (lambda folder: (folder / "model.safetensors").write_bytes(b"\x08" + bytes(50)), "is damaged"),
    "missing weight": (weighted(BIAS, None), "1 weights are missing"),
    "NaN": (weighted(BIAS, torch.tensor([float("nan")])), f"holds NaN or infinity in {BIAS}"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_faulty_folders(fault: str, folder: Path) -> None:
    spoil, sentence = FAULTS[fault]
    spoil(folder)
    assert sentence in refusal(folder)


def test_names_of_the_store(good: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(FOLDER_VARIABLE, str(tmp_path))
    names = ("depth-anything-v2-small", "Depth Anything V2 Small", "depth-anything/Depth-Anything-V2-Small-hf")
    for name in names:
        with pytest.raises(ModelError, match=r"not on this disk yet.*models pull depth-anything-v2-small"):
            open_depth_model(name)
    shutil.copytree(good, tmp_path / names[0])
    assert {open_depth_model(name).path for name in names} == {tmp_path / names[0]}
    with pytest.raises(ModelError, match=r"no depth model 'depth-everything'.*or depth-anything-v2-small"):
        open_depth_model("depth-everything")
