"""Tiny IP-Adapters for the tiny model folders, with random numbers, and a tiny image encoder of the real class."""

from pathlib import Path

import cv2
import numpy as np
import torch
from safetensors.torch import save_file

from pipeline.models import load_model

TOKENS, EMBEDDING = 4, 10
"""Tokens of an image, as diffusers has them, and numbers that the image encoder gives for one."""

Tensors = dict[str, torch.Tensor]


def tensors_for(model: Path, seed: int = 7) -> Tensors:
    """Return the tensors of an IP-Adapter for the UNet of a model folder, named as published ones are."""
    unet = load_model(model).read_network("unet")
    generator, width = torch.Generator().manual_seed(seed), unet.config.cross_attention_dim

    def normal(*shape: int, size: float = 1.0) -> torch.Tensor:
        return torch.randn(shape, generator=generator) * size

    tensors = {
        "image_proj.proj.weight": normal(TOKENS * width, EMBEDDING),
        "image_proj.proj.bias": normal(TOKENS * width, size=0.3),
        "image_proj.norm.weight": 1 + normal(width, size=0.2),
        "image_proj.norm.bias": normal(width, size=0.2),
    }
    layers = [name.removesuffix(".processor") for name in unet.attn_processors if "attn2" in name]
    assert len(layers) > 1
    for place, name in enumerate(layers):
        out = unet.get_submodule(name).inner_dim
        tensors[f"ip_adapter.{2 * place + 1}.to_k_ip.weight"] = normal(out, width, size=0.7)
        tensors[f"ip_adapter.{2 * place + 1}.to_v_ip.weight"] = normal(out, width, size=3.0)
    return tensors


def write_image_encoder(folder: Path, embedding: int = EMBEDDING) -> Path:
    """Write the folder of an image encoder, and return it."""
    from transformers import CLIPVisionConfig, CLIPVisionModelWithProjection

    config = CLIPVisionConfig(
        hidden_size=16,
        intermediate_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        image_size=32,
        patch_size=8,
        projection_dim=embedding,
    )
    with torch.random.fork_rng():
        torch.manual_seed(9)
        network = CLIPVisionModelWithProjection(config)
        with torch.no_grad():
            network.visual_projection.weight.normal_(std=1.0)
    network.save_pretrained(folder)
    return folder


def write_ip_adapter(model: Path, folder: Path) -> Path:
    """Write an IP-Adapter with its image encoder beside it, and return its file."""
    write_image_encoder(folder / "image_encoder")
    save_file(tensors_for(model), folder / "ip-adapter.safetensors")
    return folder / "ip-adapter.safetensors"


def write_image(path: Path, seed: int) -> Path:
    """Write a picture of colours at random, 40×56 pixels, and return its path."""
    pixels = np.random.default_rng(seed).integers(0, 256, (5, 7, 3), dtype=np.uint8)
    assert cv2.imwrite(str(path), cv2.resize(pixels, (56, 40), interpolation=cv2.INTER_NEAREST))
    return path
