"""Baselines in plain torch, one frame at a time: the vanilla loop, and diffusers' own pipeline class."""

from typing import Any

import torch

from benchmarks.paper.contender import ContenderConfig, Pixels
from benchmarks.paper.schedulers import scheduler_of
from benchmarks.paper.torch_model import TorchModel, to_pixels, to_tensor
from presets.parameters import Parameters


class VanillaLoop:
    """Encoder, each step in turn, decoder. Guidance doubles the batch, as in diffusers."""

    def __init__(self, config: ContenderConfig) -> None:
        self._torch = TorchModel(config)
        self.device, self.description = self._torch.device, self._torch.description

    def begin(self, look: Parameters) -> None:
        """Start drawing with `look`."""
        self._look = look
        self._torch.forget_source()
        self._schedule = self._torch.model.schedule(look.steps, 1.0 if look.mode == "text" else look.strength)
        positive, negative = self._torch.encode_text(look)
        self._embeds = torch.cat([negative, positive]) if look.guidance != 1.0 else positive
        self._timesteps = torch.from_numpy(self._schedule.timestep.copy()).to(self.device)

    @torch.inference_mode()
    def draw(self, source: Pixels, seed: int) -> list[Pixels]:
        """Draw one frame and return it."""
        model, schedule, noise = self._torch, self._schedule, self._torch.noise(seed)
        if self._look.mode == "text":
            latent = noise * schedule.init_noise_sigma
        else:
            p, q = schedule.entry
            latent = p * model.encode(to_tensor(source, self.device, model.dtype)) + q * noise
        for row, (_, _, scale, a, b, c, *_) in enumerate(schedule.rows.tolist()):
            scaled = latent * scale if scale != 1.0 else latent
            batch = scaled.expand(len(self._embeds), -1, -1, -1)
            out = model.unet(batch, self._timesteps[row], self._embeds, return_dict=False)[0]
            if len(self._embeds) == 2:
                negative, positive = out.chunk(2)
                out = negative + self._look.guidance * (positive - negative)
            latent = a * latent + b * out
            if c:
                latent = latent + c * torch.randn_like(latent)
        return [to_pixels(model.decode(latent))]


class DiffusersPipeline:
    """`StableDiffusionPipeline` and `StableDiffusionImg2ImgPipeline` with the model's own parts.

    Embeddings are given, and tensors go in and out. So text encoding and PIL, which no other contender has in its
    timing, are not in the pipeline's either.
    """

    def __init__(self, config: ContenderConfig) -> None:
        from diffusers import StableDiffusionImg2ImgPipeline, StableDiffusionPipeline

        self._torch = model = TorchModel(config)
        self.device, self.description = model.device, model.description
        self._scheduler = scheduler_of(model.model)
        # No text encoder: it stays in main memory, and the pipeline would take its device for its own.
        parts = (model.autoencoder, None, None, model.unet, self._scheduler, None, None)
        self._pipes: dict[str, Any] = {}
        for mode, kind in (("text", StableDiffusionPipeline), ("image", StableDiffusionImg2ImgPipeline)):
            self._pipes[mode] = kind(*parts, requires_safety_checker=False)
            self._pipes[mode].set_progress_bar_config(disable=True)
        self._size = {"height": config.height, "width": config.width}

    def begin(self, look: Parameters) -> None:
        """Start drawing with `look`."""
        self._look = look
        self._torch.forget_source()
        self._scheduler.given = self._torch.model.schedule(look.steps, 1.0 if look.mode == "text" else look.strength)
        positive, negative = self._torch.encode_text(look)
        guided = look.guidance != 1.0
        self._settings = {
            "prompt_embeds": positive,
            "negative_prompt_embeds": negative if guided else None,
            "guidance_scale": look.guidance,
            "num_inference_steps": len(self._scheduler.given),
            "output_type": "pt",
        }

    def draw(self, source: Pixels, seed: int) -> list[Pixels]:
        """Draw one frame and return it."""
        noise = self._torch.noise(seed)
        pipe = self._pipes[self._look.mode]
        if self._look.mode == "text":
            answer = pipe(**self._settings, **self._size, latents=noise)
        else:
            # At strength 1 the pipeline takes every timestep of the schedule, which starts at the look's strength.
            self._scheduler.noise = noise
            picture = to_tensor(source, self.device, self._torch.dtype)
            answer = pipe(**self._settings, image=picture, strength=1.0)
        return [to_pixels(answer.images)]
