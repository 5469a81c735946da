"""Networks of the shipped model: built untrained, or loaded from an exported folder."""

from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch
from diffusers import AutoencoderDC, UNet2DConditionModel
from torch import Tensor
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

from pipeline.empty_source import coordinates
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

    def predict(self, latents: Tensor, sources: Tensor, sigma: Tensor, conditioning: Tensor) -> Tensor:
        """Return the predicted clean latents ``[B, C, h, w]``.

        Args:
            latents: Noised latents ``[B, C, h, w]``.
            sources: Clean latents of the sources ``[B, C, h, w]``, zero for no source.
            sigma: Noise levels ``[B]``, 0 to 1.
            conditioning: Result of `conditioning` for the prompts.
        """
        out: Tensor = self.unet(
            torch.cat([latents, sources], dim=1),
            sigma * SHAPE.train_timesteps,
            encoder_hidden_states=conditioning,
            return_dict=False,
        )[0]
        return out

    def encode(self, images: Tensor) -> Tensor:
        """Return the clean latents ``[B, C, H/8, W/8]`` of images ``[B, 3, H, W]`` in [-1, 1]."""
        latents: Tensor = self.autoencoder.encoder(images)
        return latents

    def decode(self, latents: Tensor) -> Tensor:
        """Return the decoded images of latents, ``[B, 3, 8h, 8w]`` in [-1, 1]."""
        image: Tensor = self.autoencoder.decoder(latents)
        return image.clamp(-1, 1)


def new_networks(tokenizer: Any, seed: int) -> Networks:
    """Return untrained networks. Equal seeds give equal weights."""
    torch.manual_seed(seed)
    text = SHAPE.text_encoder(len(tokenizer), tokenizer.bos_token_id, tokenizer.eos_token_id)
    return Networks(
        autoencoder=AutoencoderDC(**SHAPE.autoencoder()),
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
        autoencoder=AutoencoderDC.from_pretrained(folder / "vae", **options).eval(),
        unet=UNet2DConditionModel.from_pretrained(folder / "unet", **options).eval(),
        text_encoder=CLIPTextModel.from_pretrained(folder / "text_encoder", **options).eval(),
        tokenizer=CLIPTokenizer.from_pretrained(folder / "tokenizer"),
    )


class ModelUnfit(ValueError):
    """A folder whose model can't be trained further."""


def fitting_networks(folder: Path) -> Networks:
    """Return an exported model of the architecture that is trained here, to train it further.

    Raises:
        ModelUnfit: the folder holds no model, or one of another architecture.
    """
    try:
        networks = load_networks(folder)
    except (OSError, ValueError) as error:
        raise ModelUnfit(f"{folder} holds no exported model: {error}") from error
    for name, network, wanted in (
        ("vae", networks.autoencoder, SHAPE.autoencoder()),
        ("unet", networks.unet, SHAPE.unet()),
    ):
        for key, value in wanted.items():
            found = network.config.get(key)
            if _plain(found) != _plain(value):
                raise ModelUnfit(f"{folder}/{name}: {key} is {found}, and the model trained here has {value}.")
    return networks


def _plain(value: Any) -> Any:
    """Return a configuration value with lists for tuples, as JSON has them."""
    return [_plain(item) for item in value] if isinstance(value, list | tuple) else value


@torch.no_grad()
def sample(
    networks: Networks,
    prompts: list[str],
    seeds: list[int],
    sources: Tensor | None = None,
    *,
    size: tuple[int, int] | None = None,
    steps: int = 4,
    guidance: float = 1.0,
    structure: float = 1.0,
    strength: float = 1.0,
) -> Tensor:
    """Return latents ``[B, C, h, w]`` drawn by Euler steps along the flow.

    The noise levels are σ = strength and every point k/steps of the grid below it. This is the solver of the live
    stream in plain torch, for tests and for the quality figures.

    Args:
        networks: The model.
        prompts: One prompt for each image.
        seeds: One seed for each image.
        sources: Clean latents ``[B, C, h, w]`` of the sources. None draws from noise alone.
        size: Height and width of the latents without sources. None is the model's own.
        steps: Network calls from pure noise.
        guidance: Guidance scale, 1 for none.
        structure: Share of the source latents in what the network sees, 0 to 1.
        strength: Noise level of the first step, 0 to 1. Ignored without `sources`.
    """
    shape = (
        sources.shape[1:]
        if sources is not None
        else (SHAPE.latent_channels, *(size or (SHAPE.latent_size, SHAPE.latent_size)))
    )
    noise = torch.stack([torch.randn(shape, generator=torch.Generator().manual_seed(seed)) for seed in seeds])
    nothing = coordinates(*shape)
    seen = nothing.expand_as(noise) if sources is None else torch.lerp(nothing, sources, structure)
    strength = 1.0 if sources is None else strength
    latents = noise if sources is None else (1 - strength) * sources + strength * noise
    grid = [strength, *(k / steps for k in range(steps - 1, -1, -1) if k / steps < strength - 1e-6)]
    words = networks.conditioning(networks.tokens(prompts))
    empty = networks.conditioning(networks.tokens([""] * len(prompts))) if guidance != 1.0 else None
    for now, after in pairwise(grid):
        if now == 0:
            break
        sigma = torch.full((len(prompts),), now)
        clean = networks.predict(latents, seen, sigma, words)
        if empty is not None:
            unguided = networks.predict(latents, seen, sigma, empty)
            clean = unguided + guidance * (clean - unguided)
        latents = clean + (after / now) * (latents - clean)
    return latents
