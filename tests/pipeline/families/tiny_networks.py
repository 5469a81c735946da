"""Tiny networks of the real classes, with random weights scaled so that conditioning has an effect."""

import torch
from diffusers import (
    AutoencoderKL,
    Flux2Transformer2DModel,
    FluxTransformer2DModel,
    SanaTransformer2DModel,
    SD3Transformer2DModel,
    UNet2DConditionModel,
    ZImageTransformer2DModel,
)
from tiny_folders import flux2_transformer, scale_weights, z_image_transformer


def flux_network(guided: bool) -> FluxTransformer2DModel:
    with torch.random.fork_rng():
        torch.manual_seed(3)
        transformer = FluxTransformer2DModel(
            in_channels=16,
            num_layers=1,
            num_single_layers=1,
            attention_head_dim=16,
            num_attention_heads=2,
            joint_attention_dim=12,
            pooled_projection_dim=6,
            guidance_embeds=guided,
            axes_dims_rope=(4, 4, 8),
        )
    scale_weights(transformer, ["add_v_proj", "context_embedder", "text_embedder", "time_text_embed", "proj_out"], 3.0)
    return transformer.eval()


def sana_network() -> SanaTransformer2DModel:
    with torch.random.fork_rng():
        torch.manual_seed(4)
        transformer = SanaTransformer2DModel(
            in_channels=4,
            out_channels=4,
            num_attention_heads=2,
            attention_head_dim=8,
            num_layers=2,
            num_cross_attention_heads=2,
            cross_attention_head_dim=8,
            cross_attention_dim=16,
            caption_channels=12,
            sample_size=4,
            guidance_embeds=True,
            guidance_embeds_scale=0.1,
            qk_norm="rms_norm_across_heads",
        )
    scale_weights(transformer, ["attn2.to_v", "attn2.to_q", "attn2.to_out.0", "guidance_embedder", "proj_out"], 4.0)
    return transformer.eval()


def sd3_network() -> SD3Transformer2DModel:
    with torch.random.fork_rng():
        torch.manual_seed(5)
        transformer = SD3Transformer2DModel(
            sample_size=8,
            patch_size=2,
            in_channels=4,
            num_layers=2,
            attention_head_dim=8,
            num_attention_heads=2,
            joint_attention_dim=12,
            caption_projection_dim=16,
            pooled_projection_dim=6,
            out_channels=4,
            pos_embed_max_size=8,
            dual_attention_layers=(0,),
            qk_norm="rms_norm",
        )
    scale_weights(transformer, ["add_v_proj", "context_embedder", "text_embedder", "proj_out"], 2.0)
    return transformer.eval()


def unet_network(guidance: int | None = None, sizes: bool = False, blocks: int = 2) -> UNet2DConditionModel:
    """Return a UNet of Stable Diffusion.

    Args:
        guidance: Width of LCM's guidance embedding, None for no guidance input.
        sizes: True for the size inputs of SDXL.
        blocks: 2, or 1 for a smaller network without resampling.
    """
    with torch.random.fork_rng():
        torch.manual_seed(6)
        unet = UNet2DConditionModel(
            sample_size=8,
            block_out_channels=(16, 32)[:blocks],
            layers_per_block=1,
            down_block_types=("DownBlock2D", "CrossAttnDownBlock2D")[-blocks:],
            up_block_types=("CrossAttnUpBlock2D", "UpBlock2D")[:blocks],
            norm_num_groups=8,
            attention_head_dim=4,
            cross_attention_dim=12,
            time_cond_proj_dim=guidance,
            **{
                "addition_embed_type": "text_time",
                "addition_time_embed_dim": 4,
                "projection_class_embeddings_input_dim": 6 * 4 + 7,
            }
            if sizes
            else {},
        )
    scale_weights(unet, ["attn2.to_v", "attn2.to_out.0"], 8.0)
    # PeRFlow multiplies the output by up to 3.3 and guidance by 7, and large latents lose precision in float32.
    scale_weights(unet, ["conv_out"], 0.15)
    return unet.eval()


def flux2_network() -> Flux2Transformer2DModel:
    with torch.random.fork_rng():
        torch.manual_seed(8)
        return flux2_transformer(4, text=12).eval()


def z_image_network(layers: int = 2) -> ZImageTransformer2DModel:
    with torch.random.fork_rng():
        torch.manual_seed(7)
        return z_image_transformer(4, text=12, layers=layers).eval()


def unused_autoencoder() -> AutoencoderKL:
    """Return an autoencoder for pipelines that ask it for channels and factor, and are given latents to begin with."""
    return AutoencoderKL(
        block_out_channels=(4,) * 4,
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        norm_num_groups=2,
        latent_channels=4,
    )
