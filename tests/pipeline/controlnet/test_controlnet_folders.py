"""ControlNets that can't be played are refused with a sentence, before or when the model's network is read."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from controlnet_folders import write_controlnet
from safetensors.torch import load_file, save_file
from tiny_folders import write_family_folder

from pipeline.controlnet.controlled_unet import ControlledUNet
from pipeline.controlnet.controlnet_folder import open_controlnet
from pipeline.families.sd3 import SD3
from pipeline.families.unet import STABLE_DIFFUSION
from pipeline.models import load_model
from presets.errors import ModelError

WEIGHTS = "diffusion_pytorch_model.safetensors"


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_family_folder("stable-diffusion", tmp_path_factory.mktemp("model") / "model")


@pytest.fixture(scope="module")
def good(model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_controlnet(model, tmp_path_factory.mktemp("good") / "edges")


@pytest.fixture
def folder(good: Path, tmp_path: Path) -> Path:
    """A copy of a good folder, to be spoilt."""
    return Path(shutil.copytree(good, tmp_path / "edges"))


def configure(folder: Path, **settings: Any) -> None:
    file = folder / "config.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | settings))


def spoil_weights(folder: Path, change: Callable[[dict[str, torch.Tensor]], None]) -> None:
    tensors = load_file(folder / WEIGHTS)
    change(tensors)
    save_file(tensors, folder / WEIGHTS, metadata={"format": "pt"})


def refusal(model: Path, folder: Path) -> str:
    """Return the sentence with which the model refuses a folder, which names it."""
    with pytest.raises(ModelError) as refused:
        load_model(model, controlnet=str(folder)).read_network("unet")
    assert str(folder) in str(refused.value)
    return str(refused.value)


CONFIGURATIONS: list[tuple[dict[str, Any], str]] = [
    ({"_class_name": "ControlNetUnionModel"}, "is no ControlNet: its config.json is of a 'ControlNetUnionModel'"),
    ({"cross_attention_dim": 24}, "for another model than"),
    ({"in_channels": 9}, "its in_channels is 9, that of the unet 4"),
    ({"block_out_channels": [16, 32, 32]}, "its block_out_channels is (16, 32, 32), that of the unet (16, 32)"),
    ({"layers_per_block": 2}, "its layers_per_block is 2"),
    ({"addition_embed_type": "text_time"}, "is a ControlNet for SDXL"),
    ({"class_embed_type": "timestep"}, "its class_embed_type is 'timestep'"),
    ({"conditioning_channels": 6}, "takes control pictures of 6 channels"),
    ({"conditioning_embedding_out_channels": [4, 8, 8]}, "8 times smaller"),
    ({"conditioning_embedding_out_channels": "many"}, "conditioning_embedding_out_channels is 'many'"),
    ({"controlnet_conditioning_channel_order": "rbg"}, "controlnet_conditioning_channel_order is 'rbg'"),
    ({"norm_num_groups": 7}, "can't be loaded"),
    ({"mid_block_type": "magic"}, "can't be loaded"),
]


@pytest.mark.parametrize(("settings", "sentence"), CONFIGURATIONS, ids=lambda value: str(value)[:30])
def test_other_configurations(model: Path, folder: Path, settings: dict[str, Any], sentence: str) -> None:
    configure(folder, **settings)
    if "text_time" in settings.values():  # the tiny model is of no known kind
        unet = {"cross_attention_dim": 768}
        with pytest.raises(ModelError, match=f"{sentence}, and mine is Stable Diffusion 1.x"):
            open_controlnet(str(folder), "mine", STABLE_DIFFUSION, unet, 8)
    else:
        assert sentence in refusal(model, folder)


WEIGHT = "controlnet_mid_block.weight"
FILES: dict[str, tuple[Callable[[Path], object], str]] = {
    "no folder": (shutil.rmtree, "There is no ControlNet folder"),
    "empty folder": (lambda folder: (shutil.rmtree(folder), folder.mkdir()), "config.json is missing"),
    "a whole model": (
        lambda folder: (folder / "model_index.json").write_text("{}"),
        "is a whole model, with a model_index.json, and no ControlNet",
    ),
    "a file": (lambda folder: (shutil.rmtree(folder), folder.write_bytes(b"")), "is a file. A ControlNet is a folder"),
    "pickled": (
        lambda folder: (folder / WEIGHTS).rename(folder / "diffusion_pytorch_model.bin"),
        "pickled weights (.bin) are never read",
    ),
    "cut": (lambda folder: (folder / WEIGHTS).write_bytes((folder / WEIGHTS).read_bytes()[:200]), "is damaged"),
    "configuration of bytes": (lambda folder: (folder / "config.json").write_bytes(b"\xff"), "is not readable JSON"),
    "configuration of a list": (lambda folder: (folder / "config.json").write_text("[]"), "must hold a JSON object"),
    "missing weight": (
        lambda folder: spoil_weights(folder, lambda tensors: tensors.pop(WEIGHT)),  # type: ignore[arg-type,return-value]
        "1 weights are missing",
    ),
    "other shape": (
        lambda folder: spoil_weights(folder, lambda tensors: tensors.update({WEIGHT: torch.ones(3)})),
        "can't be loaded",
    ),
    "NaN": (
        lambda folder: spoil_weights(folder, lambda tensors: tensors[WEIGHT].fill_(float("nan"))),  # type: ignore[arg-type,return-value]
        f"holds NaN or infinity in {WEIGHT}",
    ),
}


@pytest.mark.parametrize("change", FILES)
def test_other_files(model: Path, folder: Path, change: str) -> None:
    spoil, sentence = FILES[change]
    spoil(folder)
    assert sentence in refusal(model, folder)


def test_families_without_a_controlnet(folder: Path) -> None:
    assert open_controlnet("", "mine", SD3, {}, 8) is None
    with pytest.raises(ModelError, match="Stable Diffusion 3, which this version plays without a ControlNet"):
        open_controlnet(str(folder), "mine", SD3, {}, 8)


def test_content_is_in_the_key(model: Path, good: Path, folder: Path) -> None:
    plain, one, other = (load_model(model, controlnet=str(name or "")) for name in ("", good, folder))
    assert plain.adapters.digests == ()
    assert one.adapters.digests == other.adapters.digests, "the same content"
    assert plain.fingerprint == one.fingerprint, "encoder and decoder are kept"
    configure(folder, controlnet_conditioning_channel_order="bgr")
    assert load_model(model, controlnet=str(folder)).adapters.digests != one.adapters.digests
    assert isinstance(one.read_network("unet"), ControlledUNet)
    assert not isinstance(one.read_network("vae"), ControlledUNet)
