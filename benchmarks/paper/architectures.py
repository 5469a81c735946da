"""Published architectures that are measured with random weights, which are as fast as real ones.

The values of SD1.5 are those of its ``unet/config.json`` and ``text_encoder/config.json``. The others are the defaults
of diffusers and transformers.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple


class Architecture(NamedTuple):
    """Configuration of a model folder. A new architecture is a new row of `ARCHITECTURES`."""

    description: str
    size: int
    """Side in px that it was trained for."""
    unet: Mapping[str, Any]
    """Arguments of `UNet2DConditionModel`."""
    autoencoder: Mapping[str, Any]
    """Arguments of `AutoencoderTiny`."""
    full_autoencoder: Mapping[str, Any]
    """Arguments of `AutoencoderKL`."""
    text_encoder: Mapping[str, Any]
    """Arguments of `CLIPTextConfig` without the token ids."""
    scheduler: Mapping[str, Any]
    """``scheduler_config.json``."""


_PERFLOW = {
    "_class_name": "PeRFlowScheduler",
    "num_train_timesteps": 1000,
    "beta_start": 0.00085,
    "beta_end": 0.012,
    "beta_schedule": "scaled_linear",
    "prediction_type": "diff_eps",
    "num_time_windows": 4,
    "t_noise": 1,
    "t_clean": 0,
}

STABLE_DIFFUSION = {
    "block_out_channels": (128, 256, 512, 512),
    "down_block_types": ("DownEncoderBlock2D",) * 4,
    "up_block_types": ("UpDecoderBlock2D",) * 4,
    "layers_per_block": 2,
    "latent_channels": 4,
    "sample_size": 512,
    "scaling_factor": 0.18215,
}
"""Arguments of `AutoencoderKL` in Stable Diffusion 1."""
FULL_AUTOENCODER = "full_autoencoder.json"
"""File in a written model folder with the arguments of its full autoencoder. diffusers ignores it."""

ARCHITECTURES: Mapping[str, Architecture] = {
    "sd15-perflow": Architecture(
        "Stable Diffusion 1.5 with PeRFlow's schedule and the tiny autoencoder (TAESD)",
        512,
        {
            "sample_size": 64,
            "in_channels": 4,
            "out_channels": 4,
            "block_out_channels": (320, 640, 1280, 1280),
            "layers_per_block": 2,
            "down_block_types": ("CrossAttnDownBlock2D",) * 3 + ("DownBlock2D",),
            "up_block_types": ("UpBlock2D",) + ("CrossAttnUpBlock2D",) * 3,
            "attention_head_dim": 8,
            "cross_attention_dim": 768,
        },
        {},
        STABLE_DIFFUSION,
        {
            "hidden_size": 768,
            "intermediate_size": 3072,
            "num_hidden_layers": 12,
            "num_attention_heads": 12,
            "max_position_embeddings": 77,
            "vocab_size": 49408,
        },
        _PERFLOW,
    ),
    "tiny-perflow": Architecture(
        "a very small network to test the command",
        64,
        {
            "sample_size": 8,
            "block_out_channels": (16, 32),
            "layers_per_block": 1,
            "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D"),
            "up_block_types": ("CrossAttnUpBlock2D", "UpBlock2D"),
            "norm_num_groups": 8,
            "attention_head_dim": 4,
            "cross_attention_dim": 16,
        },
        {
            "encoder_block_out_channels": (8, 8, 8, 8),
            "decoder_block_out_channels": (8, 8, 8, 8),
            "num_encoder_blocks": (1, 1, 1, 1),
            "num_decoder_blocks": (1, 1, 1, 1),
        },
        {
            "block_out_channels": (8, 8, 8, 8),
            "down_block_types": ("DownEncoderBlock2D",) * 4,
            "up_block_types": ("UpDecoderBlock2D",) * 4,
            "latent_channels": 4,
            "norm_num_groups": 4,
        },
        {
            "hidden_size": 16,
            "intermediate_size": 32,
            "num_hidden_layers": 1,
            "num_attention_heads": 2,
            "max_position_embeddings": 12,
            "vocab_size": 80,
        },
        _PERFLOW,
    ),
}
"""Architectures by the names of ``bench --architecture``."""
