"""Networks of the shipped model: built untrained, or loaded from an exported folder."""

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
    """Autoencoder, denoiser, text encoder and tokenizer, in float32 on the CPU."""

    autoencoder: Any
    unet: Any
    text_encoder: Any
    tokenizer: Any

    def tokens(self, prompts: list[str]) -> Tensor:
        """Return token ids of the prompts, int64 ``[B, tokens]``, padded or truncated to the model's length."""
        batch = self.tokenizer(
            prompts, padding="max_length", truncation=True, max_length=SHAPE.tokens, return_tensors="pt"
        )
        ids: Tensor = batch.input_ids
        return ids

    def conditioning(self, ids: Tensor) -> Tensor:
        """Return the hidden states of the text encoder for token ids, float32 ``[B, tokens, text_width]``."""
        hidden: Tensor = self.text_encoder(input_ids=ids).last_hidden_state
        return hidden

    def velocity(self, latents: Tensor, sigma: Tensor, conditioning: Tensor) -> Tensor:
        """Return the predicted noise − data for latents ``[B, 4, h, w]`` at noise levels ``sigma`` ``[B]``, 0..1."""
        out: Tensor = self.unet(
            latents, sigma * SHAPE.train_timesteps, encoder_hidden_states=conditioning, return_dict=False
        )[0]
        return out

    def decode(self, latents: Tensor) -> Tensor:
        """Return the decoded images of latents, ``[B, 3, 8h, 8w]`` in [-1, 1]."""
        image: Tensor = self.autoencoder.decode(latents).sample
        return image.clamp(-1, 1)


def new_networks(tokenizer: Any, seed: int) -> Networks:
    """Return untrained networks. Equal seeds give equal weights."""
    torch.manual_seed(seed)
    text = SHAPE.text_encoder(len(tokenizer), tokenizer.bos_token_id, tokenizer.eos_token_id)
    return Networks(
        autoencoder=AutoencoderTiny(**SHAPE.autoencoder()),
        unet=UNet2DConditionModel(**SHAPE.unet()),
        text_encoder=CLIPTextModel(CLIPTextConfig(**text)),
        tokenizer=tokenizer,
    )


def load_networks(folder: Path) -> Networks:
    """Return an exported model, in float32 and eval mode.

    Raises:
        OSError: the folder holds no such model.
    """
    options = {"torch_dtype": torch.float32}
    return Networks(
        autoencoder=AutoencoderTiny.from_pretrained(folder / "vae", **options).eval(),
        unet=UNet2DConditionModel.from_pretrained(folder / "unet", **options).eval(),
        text_encoder=CLIPTextModel.from_pretrained(folder / "text_encoder", **options).eval(),
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
    """Return latents ``[B, 4, h, w]`` drawn with Euler steps from noise, or from ``start`` at ``strength``.

    The noise levels are σ = strength and every point k/steps of the grid below it.

    Args:
        networks: The model.
        prompts: One prompt for each image.
        seeds: One seed for each image.
        steps: Network calls from pure noise.
        guidance: Guidance scale, 1 for none.
        start: Clean latents ``[B, 4, h, w]`` of sources. None starts from noise.
        strength: 0 to 1, ignored without `start`.
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
