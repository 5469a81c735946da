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
    latent_channels: int = 24
    downsampling: int = 8
    tokens: int = 32
    """Tokens that every prompt is padded to. The network learns the padding, so there is no mask."""
    text_width: int = 128
    text_layers: int = 3
    text_heads: int = 4
    vocabulary: int = 1600
    """Upper bound of the tokenizer's vocabulary."""
    train_timesteps: int = 1000
    shift: float = 1.75
    """Shift of the sampling noise levels, by which equal moves of strength are about equal changes.

    The weights do not depend on it.
    """

    @property
    def latent_size(self) -> int:
        """Side of the square latent, in latent pixels."""
        return self.image_size // self.downsampling

    def autoencoder(self) -> dict[str, Any]:
        """Return the arguments of diffusers' ``AutoencoderDC`` (Chen et al. 2024), small.

        It unshuffles and shuffles pixels between resolutions. An autoencoder that repeats pixels, such as
        ``AutoencoderTiny``, can't draw a pattern with a period of one latent pixel from constant latents, and half of
        the styles are such patterns.
        """
        channels, none = (16, 16, 32, 64), ((), (), (), ())
        return {
            "latent_channels": self.latent_channels,
            "encoder_block_types": "ResBlock",
            "decoder_block_types": "ResBlock",
            "encoder_block_out_channels": channels,
            "decoder_block_out_channels": channels,
            "encoder_layers_per_block": (0, 1, 1, 1),
            "decoder_layers_per_block": (0, 1, 1, 2),
            "encoder_qkv_multiscales": none,
            "decoder_qkv_multiscales": none,
            "encoder_out_shortcut": False,
            "decoder_in_shortcut": False,
            "scaling_factor": 1.0,
        }

    def unet(self) -> dict[str, Any]:
        """Return the arguments of diffusers' ``UNet2DConditionModel``.

        The input is the noised latent and the latent of the source, as in InstructPix2Pix (Brooks et al. 2023). The
        pooled text scales and shifts every block (FiLM), so attention is needed at the lowest resolution only.
        """
        return {
            "sample_size": self.latent_size,
            "in_channels": 2 * self.latent_channels,
            "out_channels": self.latent_channels,
            "block_out_channels": (64, 96, 160),
            "layers_per_block": 1,
            "down_block_types": ("DownBlock2D", "DownBlock2D", "CrossAttnDownBlock2D"),
            "up_block_types": ("CrossAttnUpBlock2D", "UpBlock2D", "UpBlock2D"),
            "norm_num_groups": 16,
            "attention_head_dim": 4,
            "cross_attention_dim": self.text_width,
            "addition_embed_type": "text",
            "addition_embed_type_num_heads": 4,
            "resnet_time_scale_shift": "scale_shift",
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
        """Return the arguments of `pipeline.diffusers_schedulers.FlowMatchEulerScheduler`."""
        return {"num_train_timesteps": self.train_timesteps, "shift": self.shift, "prediction_type": "sample"}


@dataclass(frozen=True)
class TrainingPlan:
    """Settings of every training stage. Minutes are wall-clock time, so a run takes equally long on any machine."""

    shards: int = 16
    """Number of shards of training pairs that are kept. The oldest is replaced by a new one."""
    shard_pairs: int = 960
    """Pairs of 128 × 128 pixels in a shard. A shard of whole pictures, 256 × 256, has a quarter of them."""
    composed_share: float = 0.5
    """Share of passes over motifs, which the network draws from words alone. The rest redraws sources."""
    shard_uses: float = 16.0
    """Times that each pair of the newest shard is drawn, on average, before the next shard is made."""

    autoencoder_minutes: float = 30.0
    autoencoder_batch: int = 8
    autoencoder_crop: int = 64
    autoencoder_rate: float = 3e-3

    words_minutes: float = 3.0
    words_rate: float = 2e-3
    """Learning rate of the text encoder alone, before the flow. A few hundred steps are enough."""

    flow_minutes: float = 180.0
    flow_batch: int = 20
    """Pairs of 128 × 128 pixels in a batch. Smaller crops come in proportionally more pairs, larger ones in fewer."""
    flow_rate: float = 2e-3
    small_crops: bool = True
    """Crops of 64 pixels for the first half of the flow's time. A run from a trained model goes without."""
    ema_decay: float = 0.998

    polish_minutes: float = 10.0
    """Minutes for the decoder alone, after the flow. The latents do not change."""
    polish_rate: float = 5e-4

    steps: int | None = None
    """Limit of steps for each stage, None for no limit."""

    seed: int = 7

    def quick(self) -> "TrainingPlan":
        """Return a plan that runs every stage in about half a minute, for tests of the training itself."""
        return TrainingPlan(
            shards=2,
            shard_pairs=24,
            autoencoder_minutes=2.0,
            autoencoder_batch=2,
            flow_minutes=2.0,
            flow_batch=8,
            polish_minutes=2.0,
            steps=15,
        )


SHAPE = ModelShape()
PLAN = TrainingPlan()
