"""The four networks of the model, built new from the frozen shape or loaded from an exported folder."""

from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch
from diffusers import AutoencoderTiny, UNet2DConditionModel
from torch import Tensor
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

from pipeline.shipped.configuration import SHAPE


@dataclass
class Networks:
    """Autoencoder, denoiser, text encoder and tokenizer, in float32 on the CPU while they train."""

    autoencoder: Any
    unet: Any
    text_encoder: Any
    tokenizer: Any

    def tokens(self, prompts: list[str]) -> Tensor:
        """Prompts as token ids, padded or cut to the model's length: int64 ``[B, tokens]``."""
        batch = self.tokenizer(
            prompts, padding="max_length", truncation=True, max_length=SHAPE.tokens, return_tensors="pt"
        )
        ids: Tensor = batch.input_ids
        return ids

    def conditioning(self, ids: Tensor) -> Tensor:
        """Token ids to what the denoiser attends to: float32 ``[B, tokens, text_width]``."""
        hidden: Tensor = self.text_encoder(input_ids=ids).last_hidden_state
        return hidden

    def velocity(self, latents: Tensor, sigma: Tensor, conditioning: Tensor) -> Tensor:
        """The denoiser's v = noise − data at ``latents`` ``[B, 4, h, w]`` and noise levels ``sigma`` ``[B]``, 0..1."""
        out: Tensor = self.unet(
            latents, sigma * SHAPE.train_timesteps, encoder_hidden_states=conditioning, return_dict=False
        )[0]
        return out

    def decode(self, latents: Tensor) -> Tensor:
        """Latents to pictures in [-1, 1], ``[B, 3, 8h, 8w]``."""
        picture: Tensor = self.autoencoder.decode(latents).sample
        return picture.clamp(-1, 1)


def new_networks(tokenizer: Any, seed: int) -> Networks:
    """Untrained networks of the frozen shape; the same seed gives the same weights."""
    torch.manual_seed(seed)
    text = SHAPE.text_encoder(len(tokenizer), tokenizer.bos_token_id, tokenizer.eos_token_id)
    return Networks(
        autoencoder=AutoencoderTiny(**SHAPE.autoencoder()),
        unet=UNet2DConditionModel(**SHAPE.unet()),
        text_encoder=CLIPTextModel(CLIPTextConfig(**text)),
        tokenizer=tokenizer,
    )


def load_networks(folder: Path) -> Networks:
    """The exported model, in float32 and evaluation mode.

    Raises:
        OSError: the folder holds no such model.
    """
    full = {"torch_dtype": torch.float32}
    return Networks(
        autoencoder=AutoencoderTiny.from_pretrained(folder / "vae", **full).eval(),
        unet=UNet2DConditionModel.from_pretrained(folder / "unet", **full).eval(),
        text_encoder=CLIPTextModel.from_pretrained(folder / "text_encoder", **full).eval(),
        tokenizer=CLIPTokenizer.from_pretrained(folder / "tokenizer"),
    )


@torch.no_grad()
def sample(
    networks: Networks,
    prompts: list[str],
    seeds: list[int],
    steps: int = 4,
    guidance: float = 1.0,
    start: Tensor | None = None,
    strength: float = 1.0,
) -> Tensor:
    """Euler steps from noise, or from the latents ``start`` at ``strength``, to latents ``[B, 4, h, w]``.

    The rows are σ = strength, then every point of the plain grid k/steps below it; noise depends on the seed alone.
    """
    size = (SHAPE.latent_channels, SHAPE.latent_size, SHAPE.latent_size)
    noise = torch.stack([torch.randn(size, generator=torch.Generator().manual_seed(seed)) for seed in seeds])
    strength = strength if start is not None else 1.0
    latents = noise if start is None else (1 - strength) * start + strength * noise
    grid = [strength, *(k / steps for k in range(steps - 1, -1, -1) if k / steps < strength - 1e-6)]
    words = networks.conditioning(networks.tokens(prompts))
    empty = networks.conditioning(networks.tokens([""] * len(prompts))) if guidance != 1.0 else None
    for now, after in pairwise(grid):
        sigma = torch.full((len(prompts),), now)
        v = networks.velocity(latents, sigma, words)
        if empty is not None:
            v_empty = networks.velocity(latents, sigma, empty)
            v = v_empty + guidance * (v - v_empty)
        latents = latents + (after - now) * v
    return latents
