"""Tiny networks that denoise: the real classes with random weights, scaled so that conditioning has an effect."""

from collections.abc import Sequence
from typing import Any

import torch


def scale_weights(network: torch.nn.Module, names: Sequence[str], factor: float) -> None:
    """Multiply the weights whose names contain one of `names`. In a random network conditioning has little effect."""
    scaled = 0
    with torch.no_grad():
        for name, weight in network.named_parameters():
            if name.endswith("weight") and any(part in name for part in names):
                weight.mul_(factor)
                scaled += 1
    assert scaled >= len(names)


ONE_BLOCK: dict[str, Any] = {
    "block_out_channels": (32,),
    "down_block_types": ("CrossAttnDownBlock2D",),
    "up_block_types": ("UpBlock2D",),
}
"""Settings of a UNet that is quick to export: one block each way, without resampling."""


def unet(text: int, **settings: Any) -> Any:
    """Return a UNet of Stable Diffusion for texts of width `text`."""
    from diffusers import UNet2DConditionModel

    standard: dict[str, Any] = {
        "sample_size": 8,
        "block_out_channels": (16, 32),
        "layers_per_block": 1,
        "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D"),
        # Every further attention adds seconds to each export. `test_onnx` has attention on the way up.
        "up_block_types": ("UpBlock2D", "UpBlock2D"),
        "norm_num_groups": 8,
        "attention_head_dim": 4,
        "cross_attention_dim": text,
    }
    unet = UNet2DConditionModel(**standard | settings)
    scale_weights(unet, ["attn2.to_v", "attn2.to_out.0"], 8.0)
    # PeRFlow multiplies the output by up to 3.3 and guidance by 7, and large latents lose precision in float32.
    scale_weights(unet, ["conv_out"], 0.15)
    return unet


def sdxl_sizes(pooled: int) -> dict[str, Any]:
    """Return the settings of a UNet with the size inputs of SDXL and pooled texts of width `pooled`."""
    return {
        "addition_embed_type": "text_time",
        "addition_time_embed_dim": 4,
        "projection_class_embeddings_input_dim": 6 * 4 + pooled,
    }


def sd3_transformer(channels: int, text: int, pooled: int) -> Any:
    """Return a network of Stable Diffusion 3 for latents of `channels`, texts and pooled texts of these widths."""
    from diffusers import SD3Transformer2DModel

    transformer = SD3Transformer2DModel(
        sample_size=8,
        patch_size=2,
        in_channels=channels,
        num_layers=2,
        attention_head_dim=8,
        num_attention_heads=2,
        joint_attention_dim=text,
        caption_projection_dim=16,
        pooled_projection_dim=pooled,
        out_channels=channels,
        pos_embed_max_size=8,
        dual_attention_layers=(0,),
        qk_norm="rms_norm",
    )
    scale_weights(transformer, ["add_v_proj", "context_embedder", "text_embedder", "proj_out"], 2.0)
    return transformer


def flux_transformer(guided: bool, text: int, pooled: int) -> Any:
    """Return a network of FLUX.1 for latents of 4 channels, texts and pooled texts of these widths."""
    from diffusers import FluxTransformer2DModel

    transformer = FluxTransformer2DModel(
        in_channels=16,
        num_layers=1,
        num_single_layers=1,
        attention_head_dim=16,
        num_attention_heads=2,
        joint_attention_dim=text,
        pooled_projection_dim=pooled,
        guidance_embeds=guided,
        axes_dims_rope=(4, 4, 8),
    )
    scale_weights(transformer, ["add_v_proj", "context_embedder", "text_embedder", "time_text_embed", "proj_out"], 3.0)
    return transformer


def flux2_transformer(channels: int, text: int) -> Any:
    """Return a network of FLUX.2-klein for latents of `channels` and texts of width `text`."""
    from diffusers import Flux2Transformer2DModel

    transformer = Flux2Transformer2DModel(
        in_channels=channels,
        num_layers=1,
        num_single_layers=1,
        attention_head_dim=16,
        num_attention_heads=2,
        joint_attention_dim=text,
        timestep_guidance_channels=32,
        axes_dims_rope=(4, 4, 4, 4),
        guidance_embeds=False,
    )
    scale_weights(transformer, ["modulation", "add_v_proj", "context_embedder", "x_embedder", "to_v", "proj_out"], 3.0)
    # A text has 512 tokens, whose mean says little: attention picks a few of them.
    scale_weights(transformer, ["norm_q", "norm_k", "norm_added"], 3.0)
    return transformer


def sana_transformer(channels: int, text: int) -> Any:
    """Return a network of SANA-Sprint for latents of `channels` and texts of width `text`."""
    from diffusers import SanaTransformer2DModel

    transformer = SanaTransformer2DModel(
        in_channels=channels,
        out_channels=channels,
        num_attention_heads=2,
        attention_head_dim=8,
        num_layers=2,
        num_cross_attention_heads=2,
        cross_attention_head_dim=8,
        cross_attention_dim=16,
        caption_channels=text,
        sample_size=4,
        guidance_embeds=True,
        guidance_embeds_scale=0.1,
        qk_norm="rms_norm_across_heads",
    )
    scale_weights(transformer, ["attn2.to_v", "attn2.to_q", "attn2.to_out.0", "guidance_embedder", "proj_out"], 4.0)
    return transformer


def z_image_transformer(channels: int, text: int, layers: int = 2) -> Any:
    """Return a network of Z-Image for latents of `channels` and texts of width `text`."""
    from diffusers import ZImageTransformer2DModel

    transformer = ZImageTransformer2DModel(
        in_channels=channels,
        dim=32,
        n_layers=layers,
        n_refiner_layers=1,
        n_heads=2,
        n_kv_heads=2,
        cap_feat_dim=text,
        axes_dims=(4, 6, 6),
        axes_lens=(1024, 64, 64),
    )
    with torch.no_grad():  # zeros in an untrained network
        transformer.x_pad_token.normal_()
        transformer.cap_pad_token.normal_()
    scale_weights(transformer, ["to_v", "to_out", "cap_embedder.1"], 3.0)
    return transformer


def hunyuan_transformer(channels: int, text: int, glyphs: int) -> Any:
    """Return a MeanFlow network of HunyuanImage for latents of `channels` and texts of these widths."""
    from diffusers import HunyuanImageTransformer2DModel

    transformer = HunyuanImageTransformer2DModel(
        in_channels=channels,
        out_channels=channels,
        num_attention_heads=2,
        attention_head_dim=16,
        num_layers=1,
        num_single_layers=1,
        num_refiner_layers=1,
        mlp_ratio=2.0,
        guidance_embeds=True,
        text_embed_dim=text,
        text_embed_2_dim=glyphs,
        rope_axes_dim=(8, 8),
        use_meanflow=True,
    )
    names = ["add_v_proj", "proj_in", "context_embedder_2.linear", "time_guidance_embed", "norm1.linear", "proj_out"]
    scale_weights(transformer, names, 3.0)
    return transformer
