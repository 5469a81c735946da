"""IP-Adapters that can't be played are refused with a sentence, before or when a network is read; so are images."""

import json
import os
import pickle
import shutil
import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from ip_adapter_files import EMBEDDING, Tensors, tensors_for, write_image_encoder, write_ip_adapter
from PIL import Image
from safetensors.torch import load_file, save_file
from tiny_folders import write_family_folder

from pipeline.families.sd3 import SD3
from pipeline.families.unet import STABLE_DIFFUSION
from pipeline.ip_adapter.adapter_file import open_ip_adapter
from pipeline.ip_adapter.image_attention import ImageAttention, add_ip_adapter
from pipeline.ip_adapter.image_prompts import read_image
from pipeline.model_texts import conditioner_of
from pipeline.models import load_model
from presets.errors import ModelError

KEYS = "ip_adapter.3.to_k_ip.weight"


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_family_folder("stable-diffusion", tmp_path_factory.mktemp("model") / "model")


@pytest.fixture(scope="module")
def good(model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a good file and its image encoder."""
    return write_ip_adapter(model, tmp_path_factory.mktemp("good")).parent


@pytest.fixture
def file(good: Path, tmp_path: Path) -> Path:
    """A copy of a good file beside its image encoder, to be spoilt."""
    return Path(shutil.copytree(good, tmp_path / "adapter")) / "ip-adapter.safetensors"


def refusal(model: Path, file: Path) -> str:
    """Return the sentence with which the model refuses a file. Nothing of the file is put into a network then."""
    network: Any = load_model(model).read_network("unet")

    def put_on() -> None:
        loaded = load_model(model, ip_adapter=(str(file), ""))
        conditioner_of(loaded)
        assert loaded.adapters.ip_adapter is not None
        add_ip_adapter(network, loaded.adapters.ip_adapter)

    with pytest.raises(ModelError) as refused:
        put_on()
    assert not any(isinstance(module, ImageAttention) for module in network.modules())
    return str(refused.value)


def with_width(tensors: Tensors, width: int) -> Tensors:
    return tensors | {f"image_proj.norm.{each}": torch.ones(width) for each in ("weight", "bias")}


CONTENTS: dict[str, tuple[Callable[[Tensors], Tensors], str]] = {
    "one layer": (
        lambda given: {k: each for k, each in given.items() if "er.3." not in k},
        "has attention for 1 layers",
    ),
    "one matrix": (lambda given: {k: each for k, each in given.items() if k != KEYS}, "attends to texts in 2"),
    "other rows": (lambda given: given | {KEYS: torch.ones(31, 16)}, "has a matrix of [31, 16], and [32, 16]"),
    "NaN": (lambda given: given | {KEYS: given[KEYS] * float("nan")}, "holds NaN or infinity in ip_adapter.3"),
    "other numbers": (lambda given: given | {"ip_adapter.x": torch.ones(1)}, "is no IP-Adapter"),
    "a LoRA": (lambda given: {"unet.conv_in.weight": torch.ones(1)}, "is no IP-Adapter"),
    "no projection": (lambda given: {k: each for k, each in given.items() if "proj.proj" not in k}, "is no IP-Adapter"),
    "Plus": (lambda given: given | {"image_proj.latents": torch.ones(1, 2)}, "of another kind, Plus"),
    "FaceID": (
        lambda given: given | {"ip_adapter.0.to_q_lora.down.weight": torch.ones(2, 2)},
        "of another kind, FaceID",
    ),
    "other width": (lambda given: with_width(given, 8), "texts of width 8"),
    "odd width": (lambda given: with_width(given, 7), "its projection makes 64 numbers"),
    "scalar norm": (
        lambda given: given | {f"image_proj.norm.{each}": torch.tensor(1.0) for each in ("weight", "bias")},
        "is no IP-Adapter",
    ),
    "other bias": (lambda given: given | {"image_proj.proj.bias": torch.ones(3)}, "is damaged: its projection"),
}


@pytest.mark.parametrize("change", CONTENTS)
def test_other_contents(model: Path, file: Path, change: str) -> None:
    spoil, sentence = CONTENTS[change]
    save_file({name: each.contiguous() for name, each in spoil(load_file(file)).items()}, file)
    found = refusal(model, file)
    assert sentence in found
    assert str(file) in found


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        ("none.safetensors", None, "There is no IP-Adapter file"),
        ("a.bin", pickle.dumps([1]), "pickled weights (.bin, .pt) can run any code"),
        ("a.safetensors", b"", "is damaged"),
        ("a.safetensors", b"\xff" * 64, "is damaged"),
    ],
)
def test_other_files(model: Path, tmp_path: Path, name: str, content: bytes | None, sentence: str) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    assert sentence in refusal(model, tmp_path / name)


def spoil_config(folder: Path, **settings: Any) -> None:
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | settings))


ENCODERS: dict[str, tuple[Callable[[Path], object], str]] = {
    "none": (shutil.rmtree, "needs the folder of its image encoder, and there is none at"),
    "another class": (lambda folder: spoil_config(folder, architectures=["CLIPTextModel"]), "is no image encoder"),
    "another width": (lambda folder: spoil_config(folder, projection_dim=11), f"takes {EMBEDDING}"),
    "pickled": (lambda folder: (folder / "model.safetensors").rename(folder / "pytorch_model.bin"), "are never read"),
    "other shapes": (lambda folder: spoil_config(folder, intermediate_size=33), "The image_encoder in"),
}


@pytest.mark.parametrize("change", ENCODERS)
def test_other_image_encoders(model: Path, file: Path, change: str) -> None:
    spoil, sentence = ENCODERS[change]
    spoil(file.parent / "image_encoder")
    assert sentence in refusal(model, file)


def test_image_encoder_elsewhere(model: Path, file: Path, tmp_path: Path) -> None:
    shutil.rmtree(file.parent / "image_encoder")
    elsewhere = write_image_encoder(tmp_path / "clip")
    loaded = load_model(model, ip_adapter=(str(file), str(elsewhere)))
    assert loaded.adapters.ip_adapter is not None
    assert loaded.adapters.ip_adapter.encoder == elsewhere
    assert loaded.conditioning.image == (4, 16)


def test_families_without_an_ip_adapter(file: Path) -> None:
    assert open_ip_adapter("", "", "mine", SD3, {}) is None
    with pytest.raises(ModelError, match="Stable Diffusion 3, which this version plays without an IP-Adapter"):
        open_ip_adapter(str(file), "", "mine", SD3, {})
    with pytest.raises(ModelError, match=r"for texts of width 16, and mine is for Stable Diffusion 1\.x"):
        open_ip_adapter(str(file), "", "mine", STABLE_DIFFUSION, {"cross_attention_dim": 768})


def test_content_is_in_the_key(model: Path, good: Path, file: Path) -> None:
    one, other = (load_model(model, ip_adapter=(str(each), "")) for each in (good / file.name, file))
    assert one.adapters.digests == other.adapters.digests != ()
    save_file(tensors_for(model, seed=8), file)
    assert load_model(model, ip_adapter=(str(file), "")).adapters.digests != one.adapters.digests


def png_that_claims(width: int, height: int) -> bytes:
    """Return a small PNG whose header claims a size."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0" * 99)) + chunk(b"IEND", b"")
    )


IMAGES: dict[str, tuple[bytes, str]] = {
    "text": (b"hello", "is no image of a kind that is read"),
    "empty": (b"", "is no image of a kind that is read"),
    "vector": (b'<svg xmlns="http://www.w3.org/2000/svg"/>', "is no image of a kind that is read"),
    "postscript": (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "is no image of a kind that is read"),
    "large": (png_that_claims(9000, 8000), "has 9000x8000 pixels; an image may have 64 million"),
    "bomb": (png_that_claims(60_000, 60_000), "can't be read"),
    "cut": (png_that_claims(500, 400), "can't be read"),
    "no side": (png_that_claims(0, 40), "is no image of a kind that is read"),
}


@pytest.mark.parametrize("kind", IMAGES)
def test_hostile_images(tmp_path: Path, kind: str) -> None:
    content, sentence = IMAGES[kind]
    path = tmp_path / "image.png"
    path.write_bytes(content)
    with pytest.raises(ModelError, match=sentence) as refused:
        read_image(path)
    assert str(path) in str(refused.value)


def test_paths_that_are_no_files(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path, sentence in ((tmp_path / "pipe", "is no image file"), (tmp_path, "is no image file")):
        with pytest.raises(ModelError, match=sentence):
            read_image(path)
    for path in (tmp_path / "none.png", tmp_path / ("a" * 300), Path("\0")):
        with pytest.raises(ModelError, match=r"There is no image|can't be read"):
            read_image(path)


def test_images_are_turned_and_flat(tmp_path: Path) -> None:
    pixels = np.zeros((20, 30, 4), np.uint8)
    assert cv2.imwrite(str(tmp_path / "alpha.png"), pixels)
    assert (read_image(tmp_path / "alpha.png").size, read_image(tmp_path / "alpha.png").mode) == ((30, 20), "RGB")
    image, tag = Image.fromarray(pixels[:, :, :3]), Image.Exif()
    tag[0x0112] = 6  # a camera held upright
    image.save(tmp_path / "turned.jpg", exif=tag)
    assert read_image(tmp_path / "turned.jpg").size == (20, 30)
