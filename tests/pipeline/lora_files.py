"""LoRA files for tiny models: random matrices, in the formats that trainers write."""

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import nn

RANK = 3
ALPHA = 2.0

UNET_LAYERS = (
    "down_blocks.1.attentions.0.proj_in",
    "down_blocks.1.attentions.0.transformer_blocks.0.attn1.to_q",
    "down_blocks.1.attentions.0.transformer_blocks.0.attn2.to_k",
    "down_blocks.1.attentions.0.transformer_blocks.0.attn2.to_out.0",
    "down_blocks.1.attentions.0.transformer_blocks.0.ff.net.0.proj",
    "mid_block.attentions.0.transformer_blocks.0.attn2.to_v",
    "mid_block.resnets.0.conv1",
    "mid_block.resnets.0.time_emb_proj",
    "down_blocks.0.downsamplers.0.conv",
    "up_blocks.0.upsamplers.0.conv",
)
"""Layers of `tiny_folders`' UNets, of each kind that trainers choose."""
TEXT_LAYERS = ("encoder.layers.0.self_attn.q_proj", "encoder.layers.1.self_attn.out_proj", "encoder.layers.1.mlp.fc1")

Tensors = dict[str, torch.Tensor]


def branches(
    networks: Mapping[str, Any], seed: int, size: float = 0.3, rank: int = RANK, layers: Sequence[str] = UNET_LAYERS
) -> dict[str, Tensors]:
    """Return random matrices ``down`` and ``up`` by component and layer, such as ``unet.mid_block....``.

    Args:
        networks: Networks by component.
        seed: Seed of the matrices.
        size: Standard deviation of a layer's change, relative to its own weights.
        rank: Rank of the branches.
        layers: Layers of the UNet.
    """
    generator, found = torch.Generator().manual_seed(seed), dict[str, Tensors]()
    for component, network in networks.items():
        for layer in layers if component == "unet" else _text_layers(network):
            base: Any = network.get_submodule(layer)
            out, taken, *kernel = base.weight.shape
            is_image = isinstance(base, nn.Conv2d)
            down = torch.randn(rank, taken, *kernel, generator=generator)
            up = torch.randn(out, rank, *([1, 1] if is_image else []), generator=generator)
            found[f"{component}.{layer}"] = {"down": down, "up": up * float(base.weight.std()) * size / rank**0.5}
    return found


def _text_layers(network: Any) -> Iterable[str]:
    prefix = "text_model." if hasattr(network, "text_model") else ""
    return (prefix + layer for layer in TEXT_LAYERS)


def in_diffusers_names(found: Mapping[str, Tensors]) -> Tensors:
    """Return the tensors of diffusers' training scripts of today, without alphas."""
    names = {"down": "lora_A", "up": "lora_B"}
    return {
        f"{_with_text_model(layer)}.{names[kind]}.weight": tensor
        for layer, both in found.items()
        for kind, tensor in both.items()
    }


def in_old_diffusers_names(found: Mapping[str, Tensors]) -> Tensors:
    """Return the tensors of diffusers' training scripts of 2023."""
    tensors = {}
    for layer, both in found.items():
        for kind, tensor in both.items():
            start, _, end = layer.rpartition(".attn")
            part = "lora" if layer.startswith("unet") else "lora_linear_layer"
            name = f"{_with_text_model(layer)}.{part}.{kind}.weight"
            if start and "to_" in end:
                block, _, kept = layer.rpartition(".to_")
                name = f"{block}.processor.to_{kept.removesuffix('.0')}_lora.{kind}.weight"
            tensors[name] = tensor
    return tensors


def in_kohya_names(found: Mapping[str, Tensors], alpha: float = ALPHA) -> Tensors:
    """Return the tensors of kohya's scripts, with an alpha for each layer."""
    two = any(layer.startswith("text_encoder_2.") for layer in found)
    starts = {"unet": "lora_unet_", "text_encoder": "lora_te1_" if two else "lora_te_", "text_encoder_2": "lora_te2_"}
    tensors = {}
    for layer, both in found.items():
        component, _, rest = _with_text_model(layer).partition(".")
        name = starts[component] + rest.replace(".", "_")
        tensors[f"{name}.lora_down.weight"], tensors[f"{name}.lora_up.weight"] = both["down"], both["up"]
        tensors[f"{name}.alpha"] = torch.tensor(alpha)
    return tensors


def write(path: Path, tensors: Tensors, **metadata: str) -> Path:
    """Write a file, with texts in its header."""
    save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, path, metadata=metadata)
    return path


def peft_settings(**settings: Any) -> dict[str, str]:
    """Return the text of the header in which diffusers keeps peft's settings for the UNet."""
    settings |= {"target_modules": UNET_LAYERS}
    return {"lora_adapter_metadata": json.dumps({f"unet.{key}": value for key, value in settings.items()})}


def write_two(folder: Path, network: Any, layers: Sequence[str] = UNET_LAYERS) -> list[str]:
    """Write two LoRAs of different ranks for a UNet, in two formats, and return their paths."""
    networks = {"unet": network}
    one = in_kohya_names(branches(networks, seed=1, size=0.6, layers=layers))
    two = in_diffusers_names(branches(networks, seed=2, size=0.6, rank=2, layers=layers))
    return [str(write(folder / f"{name}.safetensors", each)) for name, each in (("one", one), ("two", two))]


def _with_text_model(layer: str) -> str:
    """Return a layer as every file names it: with the prefix that newer versions of transformers dropped."""
    component, _, rest = layer.partition(".")
    dropped = component != "unet" and not rest.startswith("text_model.")
    return f"{component}.text_model.{rest}" if dropped else layer
