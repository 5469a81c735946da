"""A model as plain torch has it, in one precision on one device: what the vanilla loop and diffusers' pipeline run."""

import json
from functools import lru_cache
from typing import Any

import torch

from benchmarks.paper.architectures import FULL_AUTOENCODER, STABLE_DIFFUSION
from benchmarks.paper.contender import ContenderConfig
from pipeline.accelerators.eager import available_device
from pipeline.accelerators.precision import TYPES
from pipeline.conditioning import Conditioning, TextConditioner
from pipeline.models import Model, load_model
from pipeline.noise import ENTRY, unit_noise
from presets.frame_parameters import without_morph
from presets.parameters import Parameters


class TorchModel:
    """Networks, words and noise."""

    def __init__(self, subject: ContenderConfig) -> None:
        self.model = load_model(subject.model)
        self.device, self.dtype = available_device(), TYPES[subject.precision]
        self.unet: Any = self.model.unet.to(self.device, self.dtype)
        self.autoencoder: Any = full_autoencoder(self.model) if subject.full_autoencoder else self.model.autoencoder
        self.autoencoder.to(self.device, self.dtype)
        self._conditioner = TextConditioner(
            self.model.tokenizer, self.model.text_encoder, torch.device("cpu"), torch.float32
        )
        factor = self.model.factor
        self.latent = (self.model.latent_channels, subject.height // factor, subject.width // factor)
        self.noise = lru_cache(maxsize=4)(self._noise)
        self.description = {
            "precision": subject.precision,
            "device": str(self.device),
            "autoencoder": type(self.autoencoder).__name__,
        }

    def words(self, look: Parameters) -> tuple[torch.Tensor, torch.Tensor]:
        """The look's prompt and negative prompt, each ``[1, L, D]``."""
        text: Conditioning = self._conditioner.encode(without_morph(look).wording)
        positive, negative = (each.embeds[None].to(self.device, self.dtype) for each in (text.positive, text.negative))
        return positive, negative

    def _noise(self, seed: int) -> torch.Tensor:
        """``[1, C, h, w]``: the noise that the stream has for this seed."""
        return unit_noise(seed, ENTRY, self.latent)[None].to(self.device, self.dtype)

    @property
    def scale(self) -> float:
        """Of latents against what the autoencoder answers."""
        return float(self.autoencoder.config.scaling_factor)

    def encoded(self, picture: torch.Tensor) -> torch.Tensor:
        """``[1, 3, H, W]`` from 0 to 1 to a clean latent; of a distribution, its mode."""
        found = self.autoencoder.encode(picture * 2 - 1)
        latent: torch.Tensor = found.latents if hasattr(found, "latents") else found.latent_dist.mode()
        return latent * self.scale

    def decoded(self, latent: torch.Tensor) -> torch.Tensor:
        """The reverse."""
        picture: torch.Tensor = self.autoencoder.decode(latent / self.scale, return_dict=False)[0]
        return picture / 2 + 0.5


def full_autoencoder(model: Model) -> Any:
    """Stable Diffusion's own autoencoder, or the one of the model's architecture, with random weights.

    It is as fast as a trained one.
    """
    from diffusers import AutoencoderKL

    beside = model.folder / FULL_AUTOENCODER
    settings = json.loads(beside.read_text()) if beside.exists() else STABLE_DIFFUSION
    return AutoencoderKL(**settings).eval().requires_grad_(False)
