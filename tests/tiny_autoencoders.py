"""Tiny autoencoders of the real classes, with random weights."""

from typing import Any

import torch
from tiny_denoisers import scale_weights


def kl_autoencoder(channels: int, **settings: Any) -> Any:
    """Return an autoencoder of 8 × 8 pixels a latent pixel."""
    from diffusers import AutoencoderKL

    autoencoder = AutoencoderKL(
        block_out_channels=(8,) * 4,
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        norm_num_groups=4,
        latent_channels=channels,
        scaling_factor=0.3,
        **settings,
    )
    scale_weights(autoencoder, ["decoder.conv_in", "decoder.conv_out"], 3.0)
    return autoencoder


def flux2_autoencoder() -> Any:
    """Return an autoencoder of FLUX.2 with 4 channels, 16 in a patch, that have statistics of their own."""
    from diffusers import AutoencoderKLFlux2

    autoencoder = AutoencoderKLFlux2(
        block_out_channels=(8,) * 4, layers_per_block=1, norm_num_groups=4, latent_channels=4
    )  # fmt: skip
    scale_weights(autoencoder, ["coder.conv_in", "coder.conv_out"], 3.0)
    with torch.no_grad():  # zeros and ones in an untrained network
        autoencoder.bn.running_mean.normal_(std=0.3)
        autoencoder.bn.running_var.uniform_(0.5, 2.0)
    return autoencoder


def dc_autoencoder() -> Any:
    """Return an autoencoder of SANA: 32 channels, 32 × 32 pixels a latent pixel, and attention at the small sizes."""
    from diffusers import AutoencoderDC

    blocks, kinds = (8, 8, 8, 8, 8, 32), ("ResBlock",) * 4 + ("EfficientViTBlock",) * 2
    scales = ((),) * 4 + ((5,),) * 2
    autoencoder = AutoencoderDC(
        latent_channels=32,
        attention_head_dim=4,
        encoder_block_types=kinds,
        decoder_block_types=kinds,
        encoder_block_out_channels=blocks,
        decoder_block_out_channels=blocks,
        encoder_layers_per_block=(1,) * 6,
        decoder_layers_per_block=(1,) * 6,
        encoder_qkv_multiscales=scales,
        decoder_qkv_multiscales=scales,
        downsample_block_type="Conv",
        upsample_block_type="interpolate",
        scaling_factor=0.4,
    )
    scale_weights(autoencoder, ["decoder.conv_out"], 3.0)
    return autoencoder


def hunyuan_autoencoder(channels: int) -> Any:
    """Return an autoencoder of HunyuanImage, of 32 × 32 pixels a latent pixel."""
    from diffusers import AutoencoderKLHunyuanImage

    autoencoder = AutoencoderKLHunyuanImage(
        in_channels=3,
        out_channels=3,
        latent_channels=channels,
        block_out_channels=(32,) * 6,
        layers_per_block=0,  # the decoder has one more
        spatial_compression_ratio=32,
        sample_size=64,
        scaling_factor=0.75,
    )
    scale_weights(autoencoder, ["decoder.conv_out"], 3.0)
    return autoencoder


def unused_autoencoder() -> Any:
    """Return an autoencoder for pipelines that ask it for channels and factor, and are given latents to begin with."""
    from diffusers import AutoencoderKL

    return AutoencoderKL(
        block_out_channels=(4,) * 4,
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        norm_num_groups=2,
        latent_channels=4,
    )
