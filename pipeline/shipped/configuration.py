"""The frozen shape of the shipped model and the numbers it was trained with: the one place for both."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

MODEL_FOLDER = Path(__file__).with_name("model")
"""The diffusers-format folder that ships with the package."""


@dataclass(frozen=True)
class ModelShape:
    """What the exported folder promises: changing any of it makes old weights useless."""

    picture_size: int = 256
    latent_channels: int = 4
    downsampling: int = 8
    tokens: int = 32
    """Token length every prompt is padded to; the padding is learned, so no mask is passed."""
    text_width: int = 128
    text_layers: int = 3
    text_heads: int = 4
    vocabulary: int = 1600
    """Upper bound; the trained tokenizer may stop short of it."""
    train_timesteps: int = 1000

    @property
    def latent_size(self) -> int:
        """Side of the square latent, in latent pixels."""
        return self.picture_size // self.downsampling

    def autoencoder(self) -> dict[str, Any]:
        """Arguments of diffusers' ``AutoencoderTiny``.

        The blocks sit where they are cheap: one at full resolution costs as much as sixteen at a quarter of it.
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
        """Arguments of diffusers' ``UNet2DConditionModel``; attention starts one level down, where it is cheap."""
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
        """Arguments of transformers' ``CLIPTextConfig`` for a tokenizer's size and its special tokens' ids."""
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
        """Arguments of diffusers' ``FlowMatchEulerDiscreteScheduler``: straight sigmas, no shift."""
        return {"num_train_timesteps": self.train_timesteps, "shift": 1.0}


@dataclass(frozen=True)
class TrainingPlan:
    """How long and how hard each stage trains. Minutes are wall-clock time, so that a night's plan holds anywhere."""

    pictures: int = 6000
    """Scenes whose latents the flow learns from."""
    probes: int = 2000
    """Pictures the autoencoder alone sees: shapes, ramps and textures that stand for a camera."""

    autoencoder_minutes: float = 15.0
    autoencoder_batch: int = 8
    autoencoder_crop: int = 96
    autoencoder_rate: float = 1.5e-3

    words_minutes: float = 2.0
    words_rate: float = 2e-3
    """For the text encoder alone, before the flow; a few hundred steps are enough."""

    flow_minutes: float = 70.0
    flow_batch: int = 8
    flow_rate: float = 8e-4
    crop_share: float = 0.5
    """First part of the flow's time that is spent on crops of half the side, four times as many a step.

    Colour and texture are learned from a crop as well as from the whole; only composition needs the rest.
    """
    dropped_prompts: float = 0.1
    """Share of captions replaced by the empty one, so that guidance has an unconditional side."""
    ema_decay: float = 0.998

    distil_minutes: float = 25.0
    distil_rate: float = 2e-4
    distil_guidance: float = 2.0
    """Guidance of the teacher that the student learns to do without."""

    polish_minutes: float = 5.0
    """For the decoder alone, once the flow is done: it may grow better without moving the latents."""
    polish_rate: float = 5e-4

    steps: int | None = None
    """Most steps a stage may take, whatever its minutes."""

    seed: int = 7

    def quick(self) -> "TrainingPlan":
        """A run of about half a minute that walks through every stage; its pictures are worth nothing."""
        return TrainingPlan(
            pictures=32,
            probes=16,
            autoencoder_minutes=2.0,
            autoencoder_batch=2,
            flow_minutes=2.0,
            flow_batch=2,
            distil_minutes=2.0,
            polish_minutes=2.0,
            steps=20,
        )


SHAPE = ModelShape()
PLAN = TrainingPlan()
