"""Branches of each file format equal the changes of weights that peft computes after diffusers has read the file."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from lora_files import (
    Tensors,
    branches,
    in_diffusers_names,
    in_kohya_names,
    in_old_diffusers_names,
    peft_settings,
    write,
)
from tiny_folders import write_family_folder

from pipeline.loras.lora_branches import read_branches
from pipeline.loras.lora_file import open_lora
from pipeline.models import Model, load_model

TEXT_ENCODERS = ("text_encoder", "text_encoder_2")


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Model:
    return load_model(write_family_folder("sdxl", tmp_path_factory.mktemp("sdxl") / "model"))


def networks_of(model: Model, names: tuple[str, ...] = ("unet", *TEXT_ENCODERS)) -> dict[str, Any]:
    return {name: model.read_network(name) for name in names}


SGM = {
    "down_blocks.1.attentions.0": "input_blocks_3_1",
    "down_blocks.0.downsamplers.0.conv": "input_blocks_2_0_op",
    "mid_block.attentions.0": "middle_block_1",
    "mid_block.resnets.0.conv1": "middle_block_0_in_layers_2",
    "mid_block.resnets.0.time_emb_proj": "middle_block_0_emb_layers_1",
    "up_blocks.0.upsamplers.0.conv": "output_blocks_1_2_conv",
}
"""Names of Stability's own code, which kohya's scripts write for SDXL."""


def in_sgm_names(found: dict[str, Tensors]) -> Tensors:
    tensors = {}
    for name, tensor in in_kohya_names(found).items():
        layer, _, end = name.removeprefix("lora_unet_").partition(".")
        renamed = {theirs.replace(".", "_"): ours for theirs, ours in SGM.items()}
        start = next((each for each in renamed if layer.startswith(each)), "")
        tensors[f"lora_unet_{renamed[start]}{layer.removeprefix(start)}.{end}" if start else name] = tensor
    return tensors


FORMATS: dict[str, tuple[Callable[[dict[str, Tensors]], Tensors], dict[str, str]]] = {
    "diffusers": (in_diffusers_names, {}),
    "old diffusers": (in_old_diffusers_names, {}),
    "kohya": (in_kohya_names, {}),
    "kohya, other names of blocks": (in_sgm_names, {}),
    "settings of peft": (in_diffusers_names, peft_settings(r=3, lora_alpha=9.0)),
    "settings of layers": (
        in_diffusers_names,
        peft_settings(r=3, lora_alpha=9.0, alpha_pattern={"attn2.to_k": 1.5, "mid_block.resnets.0.conv1": 5.0}),
    ),
    "rank-stabilised": (in_diffusers_names, peft_settings(r=3, lora_alpha=9.0, use_rslora=True)),
}


@pytest.mark.parametrize("name", FORMATS)
def test_branches_equal_those_of_peft(name: str, model: Model, tmp_path: Path) -> None:
    from diffusers.loaders.lora_pipeline import StableDiffusionXLLoraLoaderMixin as Loader
    from peft.tuners.lora import LoraLayer

    with_texts = name in ("diffusers", "old diffusers", "kohya")
    used = ("unet", *TEXT_ENCODERS) if with_texts else ("unet",)
    networks = networks_of(model, used)
    convert, settings = FORMATS[name]
    file = write(tmp_path / "lora.safetensors", convert(branches(networks, seed=7)), **settings)
    found = {component: read_branches(open_lora(file), component, networks[component]) for component in used}

    state, alphas, metadata = Loader.lora_state_dict(
        str(file), unet_config=networks["unet"].config, return_lora_metadata=True
    )
    Loader.load_lora_into_unet(state, alphas, networks["unet"], adapter_name="it", metadata=metadata)
    for component in used[1:]:
        Loader.load_lora_into_text_encoder(
            state, alphas, networks[component], prefix=component, adapter_name="it", metadata=metadata
        )
    for component, network in networks.items():
        layers = {name: each for name, each in network.named_modules() if isinstance(each, LoraLayer)}
        assert layers.keys() == found[component].keys() != set()
        for layer, module in layers.items():
            down, up = (matrix.flatten(1) for matrix in found[component][layer])
            expected = module.get_delta_weight("it").flatten(1)
            assert expected.abs().max() > 1e-2
            torch.testing.assert_close(up @ down, expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("layer", ["down_blocks.1.attentions.0.proj_in", "mid_block.attentions.0.proj_out"])
def test_linear_layer_is_a_convolution_of_one_pixel(layer: str, model: Model, tmp_path: Path) -> None:
    """Stable Diffusion 1.5 has convolutions where 2.1 and SDXL have linear layers, and some files have the other."""
    unet = networks_of(model, ("unet",))["unet"]
    width, generator = unet.get_submodule(layer).weight.shape[0], torch.Generator().manual_seed(1)
    down, up = torch.randn(2, width, generator=generator), torch.randn(width, 2, generator=generator)
    flat = {f"unet.{layer}.lora_A.weight": down, f"unet.{layer}.lora_B.weight": up}
    files = (
        write(tmp_path / "flat.safetensors", flat),
        write(tmp_path / "deep.safetensors", {name: matrix[:, :, None, None] for name, matrix in flat.items()}),
    )
    for file in files:
        found = read_branches(open_lora(file), "unet", unet)[layer]
        assert [matrix.ndim for matrix in found] == [unet.get_submodule(layer).weight.ndim] * 2
        assert torch.equal(found.down.flatten(), down.flatten())
        assert torch.equal(found.up.flatten(), up.flatten())


def test_names_without_the_network(model: Model, tmp_path: Path) -> None:
    """Files of 2023 that hold a UNet's attention alone do not name the UNet."""
    networks = networks_of(model, ("unet",))
    named = in_diffusers_names(branches(networks, seed=7))
    files = (
        write(tmp_path / "named.safetensors", named),
        write(tmp_path / "bare.safetensors", {name.removeprefix("unet."): each for name, each in named.items()}),
    )
    one, other = (read_branches(open_lora(file), "unet", networks["unet"]) for file in files)
    assert one.keys() == other.keys()
    for layer in one:
        assert all(map(torch.equal, one[layer], other[layer]))
