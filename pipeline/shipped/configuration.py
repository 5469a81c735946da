"""Architecture of the shipped model, and the settings of its training."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

MODEL_FOLDER = Path(__file__).with_name("model")
"""Folder of the shipped model, in diffusers format."""


@dataclass(frozen=True)
class ModelShape:
    """Architecture of the exported networks. Any change makes existing weights unusable."""

    image_size: int = 256
    latent_channels: int = 4
    downsampling: int = 8
    tokens: int = 32
    """Tokens that every prompt is padded to. The network learns the padding, so there is no mask."""
    text_width: int = 128
    text_layers: int = 3
    text_heads: int = 4
    vocabulary: int = 1600
    """Upper bound of the tokenizer's vocabulary."""
    train_timesteps: int = 1000

    @property
    def latent_size(self) -> int:
        """Side of the square latent, in latent pixels."""
        return self.image_size // self.downsampling

    def autoencoder(self) -> dict[str, Any]:
        """Return the arguments of diffusers' ``AutoencoderTiny``.

        Most blocks are at low resolution: one at full resolution costs as much as sixteen at a quarter of the side.
        """
        return {
            "encoder_block_out_channels": (32, 32, 32, 32),
            "decoder_block_out_channels": (32, 32, 32, 32),
            "num_encoder_blocks": (0, 1, 1, 2),
            "num_decoder_blocks": (3, 3, 1, 0),
            "latent_channels": self.latent_channels,
            "scaling_factor": 1.0,
            "shift_factor": 0.0,
        }

    def unet(self) -> dict[str, Any]:
        """Return the arguments of diffusers' ``UNet2DConditionModel``. There is no attention at full resolution."""
        return {
            "sample_size": self.latent_size,
            "in_channels": self.latent_channels,
            "out_channels": self.latent_channels,
            "block_out_channels": (48, 96, 128),
            "layers_per_block": 1,
            "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
            "up_block_types": ("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
            "norm_num_groups": 16,
            "attention_head_dim": 4,
            "cross_attention_dim": self.text_width,
        }

    def text_encoder(self, vocabulary: int, start: int, end: int) -> dict[str, Any]:
        """Return the arguments of transformers' ``CLIPTextConfig`` for a vocabulary size and ids of special tokens."""
        return {
            "vocab_size": vocabulary,
            "hidden_size": self.text_width,
            "intermediate_size": 4 * self.text_width,
            "num_hidden_layers": self.text_layers,
            "num_attention_heads": self.text_heads,
            "max_position_embeddings": self.tokens,
            "projection_dim": self.text_width,
            "bos_token_id": start,
            "eos_token_id": end,
            "pad_token_id": end,
        }

    def scheduler(self) -> dict[str, Any]:
        """Return the arguments of diffusers' ``FlowMatchEulerDiscreteScheduler``: no shift of the sigmas."""
        return {"num_train_timesteps": self.train_timesteps, "shift": 1.0}


@dataclass(frozen=True)
class TrainingPlan:
    """Settings of every training stage. Minutes are wall-clock time, so a run takes equally long on any machine."""

    pictures: int = 6000
    """Number of scenes that the flow is trained on."""
    camera_images: int = 2000
    """Number of camera-like images that only the autoencoder is trained on."""

    autoencoder_minutes: float = 15.0
    autoencoder_batch: int = 8
    autoencoder_crop: int = 96
    autoencoder_rate: float = 1.5e-3

    words_minutes: float = 2.0
    words_rate: float = 2e-3
    """Learning rate of the text encoder alone, before the flow. A few hundred steps are enough."""

    flow_minutes: float = 70.0
    flow_batch: int = 8
    flow_rate: float = 8e-4
    crop_share: float = 0.5
    """Share of the flow's time, at its start, that is spent on crops of half the side, four times as many a step.

    Crops teach colour and texture as well as whole images do. Composition needs whole images.
    """
    dropped_prompts: float = 0.1
    """Share of captions replaced by the empty one, which trains the unconditional output for guidance."""
    ema_decay: float = 0.998

    distil_minutes: float = 25.0
    distil_rate: float = 2e-4
    distil_guidance: float = 2.0
    """Guidance scale of the teacher, which the student learns to reproduce in one call."""

    polish_minutes: float = 5.0
    """Minutes for the decoder alone, after the flow. The latents do not change."""
    polish_rate: float = 5e-4

    steps: int | None = None
    """Limit of steps for each stage, None for no limit."""

    seed: int = 7

    def quick(self) -> "TrainingPlan":
        """Return a plan that runs every stage in about half a minute, for tests of the training itself."""
        return TrainingPlan(
            pictures=16,
            camera_images=8,
            autoencoder_minutes=2.0,
            autoencoder_batch=2,
            autoencoder_crop=64,
            flow_minutes=2.0,
            flow_batch=2,
            distil_minutes=2.0,
            polish_minutes=2.0,
            steps=15,
        )


SHAPE = ModelShape()
PLAN = TrainingPlan()
