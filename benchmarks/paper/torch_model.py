"""A model in plain torch, in one precision on one device, for the vanilla loop and diffusers' pipeline."""

import json
from functools import lru_cache
from typing import Any

import torch

from benchmarks.paper.architectures import FULL_AUTOENCODER, STABLE_DIFFUSION
from benchmarks.paper.contender import ContenderConfig, Pixels
from benchmarks.stream.built_model import text_conditioner
from pipeline.accelerators.eager import available_device
from pipeline.accelerators.precision import TYPES
from pipeline.empty_source import empty_source
from pipeline.models import Model, load_model
from pipeline.noise import ENTRY, unit_noise
from presets.frame_parameters import without_morph
from presets.parameters import Parameters


def _like_the_tiny_one(autoencoder: Any) -> Any:
    """Return an ``AutoencoderDC`` with the methods of an ``AutoencoderTiny``, which is what the pipelines call."""
    if type(autoencoder).__name__ != "AutoencoderDC":
        return autoencoder
    from diffusers.models.autoencoders.autoencoder_tiny import AutoencoderTinyOutput
    from diffusers.models.autoencoders.vae import DecoderOutput

    def encode(images: torch.Tensor, return_dict: bool = True) -> Any:
        latents = autoencoder.encoder(images)
        return AutoencoderTinyOutput(latents=latents) if return_dict else (latents,)

    def decode(latents: torch.Tensor, generator: Any = None, return_dict: bool = True) -> Any:
        images = autoencoder.decoder(latents)
        return DecoderOutput(sample=images) if return_dict else (images,)

    autoencoder.encode, autoencoder.decode = encode, decode
    autoencoder.register_to_config(block_out_channels=autoencoder.config.decoder_block_out_channels)
    return autoencoder


class TorchModel:
    """Networks, text encoder and noise.

    A network that sees its source gets the newest encoded picture beside the latents of each call, as in the stream, so
    that loops and pipelines that know of no source can call it. Without one it gets `pipeline.empty_source`.
    """

    def __init__(self, config: ContenderConfig) -> None:
        self.model = load_model(config.model)
        self.device, self.dtype = available_device(), TYPES[config.precision]
        self.unet: Any = self.model.denoiser.to(self.device, self.dtype)
        autoencoder: Any = full_autoencoder(self.model) if config.full_autoencoder else self.model.autoencoder
        self.autoencoder = _like_the_tiny_one(autoencoder)
        self.autoencoder.to(self.device, self.dtype)
        self._conditioner = text_conditioner(self.model)
        factor = self.model.factor
        self.latent = (self.model.latent_channels, config.height // factor, config.width // factor)
        self.noise = lru_cache(maxsize=4)(self._noise)
        self._source: torch.Tensor | None = None
        empty = empty_source(self.model.folder, self.latent)
        self._empty = torch.zeros(self.latent) if empty is None else empty
        self._empty = self._empty.to(self.device, self.dtype)
        if self.model.sees_source:
            self.autoencoder.encoder.register_forward_hook(self._keep_source)
            self.unet.register_forward_pre_hook(self._add_source)
        self.description = {
            "precision": config.precision,
            "device": str(self.device),
            "autoencoder": type(self.autoencoder).__name__,
        }

    def encode_text(self, look: Parameters) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the embeddings ``[1, L, D]`` of the prompt and the negative prompt."""
        text = self._conditioner.encode(without_morph(look).wording)
        positive, negative = (each.embeds[None].to(self.device, self.dtype) for each in (text.positive, text.negative))
        return positive, negative

    def forget_source(self) -> None:
        """Give the network no source until the next picture is encoded."""
        self._source = None

    def _keep_source(self, _: Any, __: Any, encoded: torch.Tensor) -> None:
        self._source = encoded[:, : self.latent[0]]  # the full autoencoder's has the deviations behind the means

    def _add_source(self, _: Any, given: tuple[Any, ...]) -> tuple[Any, ...]:
        latents = given[0]
        source = self._empty if self._source is None else self._source
        return torch.cat([latents, source.expand_as(latents)], 1), *given[1:]

    def _noise(self, seed: int) -> torch.Tensor:
        """Return the noise ``[1, C, h, w]`` that the stream has for this seed."""
        return unit_noise(seed, ENTRY, self.latent)[None].to(self.device, self.dtype)

    @property
    def scale(self) -> float:
        """Factor from the autoencoder's output to a latent."""
        return float(self.autoencoder.config.scaling_factor)

    def encode(self, picture: torch.Tensor) -> torch.Tensor:
        """Return the clean latent of a picture ``[1, 3, H, W]`` from 0 to 1. A distribution gives its mode."""
        found = self.autoencoder.encode(picture * 2 - 1)
        latent: torch.Tensor = found.latents if hasattr(found, "latents") else found.latent_dist.mode()
        return latent * self.scale

    def decode(self, latent: torch.Tensor) -> torch.Tensor:
        """Return the pictures ``[N, 3, H, W]`` from 0 to 1 of clean latents."""
        picture: torch.Tensor = self.autoencoder.decode(latent / self.scale, return_dict=False)[0]
        return picture / 2 + 0.5


def full_autoencoder(model: Model) -> Any:
    """Return Stable Diffusion's full autoencoder, or that of the model's architecture, with random weights."""
    from diffusers import AutoencoderKL

    beside = model.folder / FULL_AUTOENCODER
    settings = json.loads(beside.read_text()) if beside.exists() else STABLE_DIFFUSION
    return AutoencoderKL(**settings).eval().requires_grad_(False)


def to_pixels(picture: torch.Tensor) -> Pixels:
    """Return a picture ``[1, 3, H, W]`` from 0 to 1 as pixels in main memory. The copy waits for a GPU."""
    levels = (picture[0].float() * 255).round().clamp(0, 255).to(torch.uint8).permute(1, 2, 0)
    pixels: Pixels = levels.cpu().numpy()
    return pixels


def to_tensor(pixels: Pixels, device: torch.device, dtype: torch.dtype) -> torch.Tensor:
    """Return pixels as a picture ``[1, 3, H, W]`` from 0 to 1, converted on the device."""
    on_device = torch.from_numpy(pixels).to(device)
    return on_device.permute(2, 0, 1)[None].to(dtype) / 255
