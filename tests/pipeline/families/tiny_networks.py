"""Tiny networks of `tiny_denoisers`, each with the same random weights in every test."""

from collections.abc import Callable
from typing import Any

import torch
from diffusers import (
    Flux2Transformer2DModel,
    FluxTransformer2DModel,
    HunyuanImageTransformer2DModel,
    SanaTransformer2DModel,
    SD3Transformer2DModel,
    UNet2DConditionModel,
    ZImageTransformer2DModel,
)
from tiny_denoisers import (
    flux2_transformer,
    flux_transformer,
    hunyuan_transformer,
    sana_transformer,
    sd3_transformer,
    sdxl_sizes,
    unet,
    z_image_transformer,
)


def _seeded(seed: int, network: Callable[..., Any], *shape: Any, **settings: Any) -> Any:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return network(*shape, **settings).eval()


def flux_network(guided: bool) -> FluxTransformer2DModel:
    return _seeded(3, flux_transformer, guided, text=12, pooled=6)


def sana_network() -> SanaTransformer2DModel:
    return _seeded(4, sana_transformer, 4, text=12)


def sd3_network() -> SD3Transformer2DModel:
    return _seeded(5, sd3_transformer, 4, text=12, pooled=6)


def unet_network(guidance: int | None = None, sizes: bool = False, blocks: int = 2) -> UNet2DConditionModel:
    """Return a UNet of Stable Diffusion.

    Args:
        guidance: Width of LCM's guidance embedding, None for no guidance input.
        sizes: True for the size inputs of SDXL.
        blocks: 2, or 1 for a smaller network without resampling.
    """
    return _seeded(
        6,
        unet,
        text=12,
        block_out_channels=(16, 32)[:blocks],
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D")[-blocks:],
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D")[:blocks],
        time_cond_proj_dim=guidance,
        **sdxl_sizes(7) if sizes else {},
    )


def z_image_network(layers: int = 2) -> ZImageTransformer2DModel:
    return _seeded(7, z_image_transformer, 4, text=12, layers=layers)


def flux2_network() -> Flux2Transformer2DModel:
    return _seeded(8, flux2_transformer, 4, text=12)


def hunyuan_network() -> HunyuanImageTransformer2DModel:
    return _seeded(9, hunyuan_transformer, 4, text=12, glyphs=8)
