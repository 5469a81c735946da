"""LoRA files that can't be played are refused with a sentence, and the network stays as it was."""

import json
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from lora_files import Tensors, branches, in_diffusers_names, in_kohya_names, peft_settings, write
from tiny_folders import write_family_folder

from pipeline.families.sd3 import SD3
from pipeline.families.unet import SDXL, STABLE_DIFFUSION
from pipeline.loras.lora_file import open_lora
from pipeline.loras.lora_layers import LowRankLayer, add_loras
from pipeline.loras.lora_set import open_loras
from pipeline.models import load_model
from presets.errors import ModelError

ATTENTION = "unet.down_blocks.1.attentions.0.transformer_blocks.0.attn2.to_k"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_family_folder("stable-diffusion", tmp_path_factory.mktemp("model") / "model")


@pytest.fixture
def network(folder: Path) -> Any:
    return load_model(folder).read_network("unet")


@pytest.fixture
def good(network: Any) -> Tensors:
    return in_kohya_names(branches({"unet": network}, seed=1))


def pair(layer: str, down: tuple[int, ...], up: tuple[int, ...]) -> Tensors:
    return {f"{layer}.lora_A.weight": torch.ones(down), f"{layer}.lora_B.weight": torch.ones(up)}


def assert_refused(network: Any, file: Path, *sentence: str) -> None:
    """Check that a file is refused with each part of a sentence, beside a good one too, and nothing is put in."""
    with pytest.raises(ModelError) as refused:
        add_loras(network, "unet", [open_lora(file)])
    assert str(file) in str(refused.value)
    for part in sentence:
        assert part in str(refused.value)
    assert not any(isinstance(module, LowRankLayer) for module in network.modules())


def test_good_file_beside_a_bad_one_is_not_put_in(network: Any, good: Tensors, tmp_path: Path) -> None:
    one = write(tmp_path / "one.safetensors", good)
    other = write(tmp_path / "other.safetensors", pair("unet.conv_in", (2, 5, 3, 3), (16, 2, 1, 1)))
    with pytest.raises(ModelError, match=r"other\.safetensors was made for another model"):
        add_loras(network, "unet", [open_lora(one), open_lora(other)])
    assert not any(isinstance(module, LowRankLayer) for module in network.modules())
    add_loras(network, "unet", [open_lora(one)])
    assert sum(isinstance(module, LowRankLayer) for module in network.modules()) == len(good) // 3


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        ("none.safetensors", None, "There is no LoRA file"),
        ("a.pt", pickle.dumps([1]), "pickled weights (.pt, .bin, .ckpt) can run any code"),
        ("a.ckpt", b"", "are never read"),
        ("a.safetensors", pickle.dumps([1] * 50), "is damaged"),
        ("a.safetensors", b"", "is damaged"),
        ("a.safetensors", b"\xff" * 64, "is damaged"),
    ],
)
def test_other_files(network: Any, tmp_path: Path, name: str, content: bytes | None, sentence: str) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    assert_refused(network, tmp_path / name, sentence)


def test_folder_is_no_file(network: Any, tmp_path: Path) -> None:
    (tmp_path / "a.safetensors").mkdir()
    assert_refused(network, tmp_path / "a.safetensors", "is no file")


@pytest.mark.parametrize("kept", [3, 200, -1])
def test_truncated(network: Any, good: Tensors, tmp_path: Path, kept: int) -> None:
    file = write(tmp_path / "a.safetensors", good)
    file.write_bytes(file.read_bytes()[:kept])
    assert_refused(network, file, "is damaged")


FIRST = "lora_unet_mid_block_resnets_0_conv1"
CHANGES: dict[str, tuple[Callable[[Tensors], Tensors], str]] = {
    "without up": (lambda given: _without(given, f"{FIRST}.lora_up.weight"), "lora_up.weight beside it"),
    "without down": (lambda given: _without(given, f"{FIRST}.lora_down.weight"), "lora_down.weight beside it"),
    "alpha alone": (lambda given: given | {"lora_unet_x.alpha": torch.tensor(1.0)}, "lora_unet_x.alpha of shape ()"),
    "rank 0": (
        lambda given: (
            given
            | {f"{FIRST}.lora_down.weight": torch.ones(0, 32, 3, 3), f"{FIRST}.lora_up.weight": torch.ones(32, 0, 1, 1)}
        ),
        "of rank 0",
    ),
    "NaN": (lambda given: given | {f"{FIRST}.alpha": torch.tensor(float("nan"))}, "NaN or infinity"),
    "other rank": (
        lambda given: given | {f"{FIRST}.lora_up.weight": torch.ones(32, 7, 1, 1)},
        "was made for another model",
    ),
    "unknown layer": (
        lambda given: (
            given | {f"lora_unet_mid_block_magic.lora_{each}.weight": torch.ones(2, 2) for each in ("up", "down")}
        ),
        "the UNet2DConditionModel has no layer mid_block.magic",
    ),
    "layer of another kind": (
        lambda given: (
            given
            | {f"lora_unet_mid_block_resnets_0_norm1.lora_{each}.weight": torch.ones(2, 2) for each in ("up", "down")}
        ),
        "no linear layer",
    ),
    "mixed names": (lambda given: given | pair("unet.conv_in", (2, 4, 3, 3), (16, 2, 1, 1)), "of several formats"),
    "DoRA": (lambda given: given | {f"{FIRST}.dora_scale": torch.ones(1, 32)}, "another kind, DoRA"),
    "LoHa": (lambda given: {f"{FIRST}.hada_w1_a": torch.ones(2, 2)}, "another kind, LoHa"),
    "LoKr": (lambda given: {f"{FIRST}.lokr_w1": torch.ones(2, 2)}, "another kind, LoKr"),
    "a bias": (lambda given: given | {f"{FIRST}.lora_up.bias": torch.ones(32)}, "no part of a LoRA"),
    "a checkpoint": (lambda given: {"conv_in.weight": torch.ones(2, 2, 3, 3)}, "is no LoRA"),
    "text encoder alone": (
        lambda given: {f"lora_te_text_model_x.lora_{each}.weight": torch.ones(2, 2) for each in ("up", "down")},
        "for text encoders alone",
    ),
}


def _without(given: Tensors, name: str) -> Tensors:
    return {each: tensor for each, tensor in given.items() if each != name}


@pytest.mark.parametrize("change", CHANGES)
def test_damaged_content(network: Any, good: Tensors, tmp_path: Path, change: str) -> None:
    spoil, sentence = CHANGES[change]
    assert_refused(network, write(tmp_path / "a.safetensors", spoil(good)), sentence)


@pytest.mark.parametrize(
    "header",
    [
        {"lora_adapter_metadata": "["},
        {"lora_adapter_metadata": "[]"},
        peft_settings(lora_alpha="much"),
        peft_settings(alpha_pattern=[1]),
        {"lora_adapter_metadata": json.dumps({"unet.lora_alpha": float("inf")})},
    ],
)
def test_damaged_settings(network: Any, tmp_path: Path, header: dict[str, str]) -> None:
    tensors = in_diffusers_names(branches({"unet": network}, seed=1))
    assert_refused(network, write(tmp_path / "a.safetensors", tensors, **header), "header")


def of_width(width: int) -> Tensors:
    return pair(ATTENTION, (2, width), (8, 2))


FLUX_NAMES = pair("transformer.single_transformer_blocks.0.attn.to_q", (2, 8), (8, 2))
KINDS: list[tuple[Tensors, dict[str, str], str]] = [
    (of_width(768), {}, "Stable Diffusion 1.x"),
    (of_width(1024), {}, "Stable Diffusion 2.x"),
    (of_width(2048), {}, "SDXL"),
    (FLUX_NAMES, {}, "FLUX"),
    (pair("lora_unet_double_blocks_0_img_attn_qkv", (2, 8), (8, 2)), {}, "FLUX"),
    (pair("unet.conv_in", (2, 4, 3, 3), (8, 2, 1, 1)), {"ss_base_model_version": "sdxl_base_v1-0"}, "SDXL"),
    (
        pair("unet.conv_in", (2, 4, 3, 3), (8, 2, 1, 1)),
        {"modelspec.architecture": "stable-diffusion-v1/lora"},
        "Stable Diffusion 1.x",
    ),
    (pair("unet.conv_in", (2, 4, 3, 3), (8, 2, 1, 1)), {}, ""),
]


@pytest.mark.parametrize(("tensors", "header", "kind"), KINDS)
def test_kind_is_named_before_a_network_is_loaded(
    tmp_path: Path, tensors: Tensors, header: dict[str, str], kind: str
) -> None:
    file = write(tmp_path / "a.safetensors", tensors, **header)
    models = {
        "Stable Diffusion 1.x": (STABLE_DIFFUSION, {"cross_attention_dim": 768}),
        "Stable Diffusion 2.x": (STABLE_DIFFUSION, {"cross_attention_dim": 1024}),
        "SDXL": (SDXL, {"cross_attention_dim": 2048, "addition_embed_type": "text_time"}),
    }
    assert open_lora(file).kind == kind
    for mine, (family, config) in models.items():
        if kind in ("", mine):
            assert len(open_loras(["", str(file)], "my-model", family, config, ["text_encoder"]).files) == 1
        else:
            with pytest.raises(ModelError, match=f"is a LoRA for {kind}, and my-model is {mine}"):
                open_loras([str(file)], "my-model", family, config, ["text_encoder"])


def test_families_without_loras(tmp_path: Path) -> None:
    file = write(tmp_path / "a.safetensors", FLUX_NAMES)
    assert not open_loras(["", ""], "my-model", SD3, {}, []).files
    with pytest.raises(ModelError, match="Stable Diffusion 3, on which this version puts no LoRA"):
        open_loras([str(file)], "my-model", SD3, {}, [])


def test_other_text_encoders(tmp_path: Path) -> None:
    texts = pair("text_encoder_2.text_model.encoder.layers.0.mlp.fc1", (2, 8), (8, 2))
    file = write(tmp_path / "a.safetensors", of_width(16) | texts)
    with pytest.raises(ModelError, match="has weights for a text_encoder_2, which my-model lacks"):
        open_loras([str(file)], "my-model", STABLE_DIFFUSION, {}, ["unet", "text_encoder"])


def test_content_of_the_files_is_in_the_key(folder: Path, good: Tensors, tmp_path: Path) -> None:
    one, other = (write(tmp_path / f"{name}.safetensors", good) for name in ("one", "other"))
    digests = [load_model(folder, names).adapters.digests for names in ([], [str(one)], ["", str(other)])]
    assert digests[0] == ()
    assert digests[1] == digests[2], "the same content"
    write(other, {name: tensor * 2 for name, tensor in good.items()})
    assert load_model(folder, [str(other)]).adapters.digests != digests[1]
    assert load_model(folder, [str(one)]).fingerprint == load_model(folder).fingerprint, "encoder and decoder are kept"
