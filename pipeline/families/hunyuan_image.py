"""The family of the distilled HunyuanImage 2.1: a MeanFlow transformer with two times, Qwen 2.5-VL and a ByT5."""

from types import MappingProxyType
from typing import Any

import torch
from torch import nn

from pipeline.conditioning import ConditioningShape
from pipeline.denoiser import ConditioningRows
from pipeline.families.family import QWEN_TOKENIZERS, Config, Family, PictureShape, check_channels
from pipeline.text_encoders.hunyuan_image import WORDS, HunyuanImageText, hunyuan_image_shape
from presets.errors import ModelError, StreamError

GUIDANCE_SCALE = 1000.0
"""Factor of the guidance scale where the network takes it as an input, as in diffusers' pipeline."""


class HunyuanImageDenoiser(nn.Module):
    """diffusers' `HunyuanImageTransformer2DModel` as a `pipeline.denoiser.Denoiser` with a second time.

    The network predicts the average velocity between the two times of a row (MeanFlow, arXiv:2505.13447). diffusers'
    class sorts the tokens of each text by its mask, which no graph can hold, so this adapter runs the network's layers
    itself. Text tokens have no positions, and those that are masked are not attended to: their order changes nothing.
    """

    def __init__(self, transformer: Any) -> None:
        """
        Args:
            transformer: The network, on its device and in eval mode.
        """
        super().__init__()
        self.transformer = transformer
        self.embedded_guidance = bool(transformer.config.guidance_embeds)
        """True if the network takes the guidance scale as an input."""

    def conditioning(self, tokens: int) -> ConditioningShape:
        """Return the shape of a text of `tokens` tokens, of which the first `WORDS` are Qwen's."""
        config = self.transformer.config
        return ConditioningShape((tokens, max(config.text_embed_dim, config.text_embed_2_dim)), masked=True)

    def forward(self, latents: torch.Tensor, timesteps: torch.Tensor, conditioning: ConditioningRows) -> torch.Tensor:
        """Return the output, as `pipeline.denoiser.Denoiser`. Timesteps ``[B, 2]`` are 1000σ of start and end."""
        network = self.transformer
        embed = self._embedded_times(timesteps, conditioning.guidance, latents.dtype)
        words, mask = self._words(timesteps[:, 0], conditioning)
        tokens = network.x_embedder(latents)
        seen = nn.functional.pad(mask, (tokens.shape[1], 0), value=1.0)[:, None, None, :] > 0.5
        turns = network.rope(latents)
        for block in (*network.transformer_blocks, *network.single_transformer_blocks):
            tokens, words = block(tokens, words, embed, attention_mask=seen, image_rotary_emb=turns)
        out: torch.Tensor = network.proj_out(network.norm_out(tokens, embed))
        return out.transpose(1, 2).reshape(latents.shape)

    def _embedded_times(
        self, timesteps: torch.Tensor, guidance: torch.Tensor | None, dtype: torch.dtype
    ) -> torch.Tensor:
        """Return the embedding of both times and of the guidance ``[B, D]``. Sines are taken in float32."""
        network = self.transformer.time_guidance_embed
        start = network.timestep_embedder(network.time_proj(timesteps[:, 0]).to(dtype))
        end = network.timestep_embedder_r(network.time_proj_r(timesteps[:, 1]).to(dtype))
        embed: torch.Tensor = (start + end) / 2
        if guidance is None:
            return embed
        scale: torch.Tensor = network.guidance_embedder(network.time_proj(guidance * GUIDANCE_SCALE).to(dtype))
        return embed + scale

    def _words(self, start: torch.Tensor, conditioning: ConditioningRows) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the tokens of the texts ``[B, L, D]``, and which of them are read ``[B, L]``."""
        network, embeds, mask = self.transformer, conditioning.embeds, conditioning.mask
        if mask is None:
            raise StreamError("HunyuanImage reads texts with a mask of padding tokens; these have none.")
        config = network.config
        words = network.context_embedder(embeds[:, :WORDS, : config.text_embed_dim], start, mask[:, :WORDS] > 0.5)
        glyphs = network.context_embedder_2(embeds[:, WORDS:, : config.text_embed_2_dim])
        return torch.cat([words, glyphs], dim=1), mask


def _check(folder: str, config: Config, channels: int) -> None:
    check_channels(folder, config, channels, f"its vae has latents of {channels}.")
    if not config.get("use_meanflow"):
        raise ModelError(
            f"The transformer of {folder} has use_meanflow={config.get('use_meanflow')!r}: it takes 50 steps with a"
            " guidance of its own. This version plays the distilled HunyuanImage, which takes 8."
        )
    if config.get("patch_size") != [1, 1]:
        raise ModelError(f"The transformer of {folder} has patch_size={config.get('patch_size')!r}; it must be [1, 1].")


def _adapter(network: Any, shape: PictureShape) -> nn.Module:
    return HunyuanImageDenoiser(network)


HUNYUAN_IMAGE = Family(
    title="HunyuanImage",
    network="transformer",
    components={
        "transformer": ("HunyuanImageTransformer2DModel",),
        "text_encoder": ("Qwen2_5_VLForConditionalGeneration",),
        "text_encoder_2": ("T5EncoderModel",),
        "tokenizer": QWEN_TOKENIZERS,
        "tokenizer_2": ("ByT5Tokenizer",),
    },
    check=_check,
    text=HunyuanImageText,
    text_shape=hunyuan_image_shape,
    adapter=_adapter,
    embeds_guidance=lambda config: bool(config.get("guidance_embeds")),
    second_time=lambda config: True,
    flow_matching=MappingProxyType({"second_time": True}),
)
