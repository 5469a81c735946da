"""One picture at a time in plain torch: the vanilla loop, and diffusers' own pipeline class."""

from typing import Any

import torch

from benchmarks.paper.contender import ContenderConfig, Pixels, as_picture, as_tensor
from benchmarks.paper.schedulers import scheduler_of
from benchmarks.paper.torch_model import TorchModel
from presets.parameters import Parameters


class VanillaLoop:
    """Encode, each step in turn, decode; guidance doubles the batch, as diffusers has it."""

    def __init__(self, subject: ContenderConfig) -> None:
        self._torch = TorchModel(subject)
        self.device, self.description = self._torch.device, self._torch.description

    def begin(self, look: Parameters) -> None:
        """As `Drawer`."""
        self._look = look
        self._schedule = self._torch.model.schedule(look.steps, 1.0 if look.mode == "text" else look.strength)
        positive, negative = self._torch.words(look)
        self._words = torch.cat([negative, positive]) if look.guidance != 1.0 else positive
        self._times = torch.from_numpy(self._schedule.timestep.copy()).to(self.device)

    @torch.inference_mode()
    def draw(self, source: Pixels, seed: int) -> list[Pixels]:
        """As `Drawer`: always one."""
        held, schedule, noise = self._torch, self._schedule, self._torch.noise(seed)
        if self._look.mode == "text":
            latent = noise * schedule.init_noise_sigma
        else:
            p, q = schedule.entry
            latent = p * held.encoded(as_tensor(source, self.device, held.dtype)) + q * noise
        for row, (_, _, scale, a, b, c, *_) in enumerate(schedule.rows.tolist()):
            given = latent * scale if scale != 1.0 else latent
            out = held.unet(
                given.expand(len(self._words), -1, -1, -1), self._times[row], self._words, return_dict=False
            )[0]
            if len(self._words) == 2:
                away, towards = out.chunk(2)
                out = away + self._look.guidance * (towards - away)
            latent = a * latent + b * out
            if c:
                latent = latent + c * torch.randn_like(latent)
        return [as_picture(held.decoded(latent))]


class DiffusersPipeline:
    """`StableDiffusionPipeline` and `StableDiffusionImg2ImgPipeline`, whole, with the model's own parts.

    It is spared the text encoder (the embeddings are given) and PIL (tensors in and out), so that nothing is held
    against it that the others leave out too.
    """

    def __init__(self, subject: ContenderConfig) -> None:
        from diffusers import StableDiffusionImg2ImgPipeline, StableDiffusionPipeline

        self._torch = held = TorchModel(subject)
        self.device, self.description = held.device, held.description
        self._scheduler = scheduler_of(held.model)
        # Without a text encoder, which stays in main memory: the pipeline would take its device for its own.
        parts = (held.autoencoder, None, None, held.unet, self._scheduler, None, None)
        self._pipes: dict[str, Any] = {}
        for mode, kind in (("text", StableDiffusionPipeline), ("image", StableDiffusionImg2ImgPipeline)):
            self._pipes[mode] = kind(*parts, requires_safety_checker=False)
            self._pipes[mode].set_progress_bar_config(disable=True)
        self._size = {"height": subject.height, "width": subject.width}

    def begin(self, look: Parameters) -> None:
        """As `Drawer`."""
        self._look = look
        self._scheduler.given = self._torch.model.schedule(look.steps, 1.0 if look.mode == "text" else look.strength)
        positive, negative = self._torch.words(look)
        guided = look.guidance != 1.0
        self._settings = {
            "prompt_embeds": positive,
            "negative_prompt_embeds": negative if guided else None,
            "guidance_scale": look.guidance,
            "num_inference_steps": len(self._scheduler.given),
            "output_type": "pt",
        }

    def draw(self, source: Pixels, seed: int) -> list[Pixels]:
        """As `Drawer`: always one."""
        noise = self._torch.noise(seed)
        pipe = self._pipes[self._look.mode]
        if self._look.mode == "text":
            answer = pipe(**self._settings, **self._size, latents=noise)
        else:
            # At strength 1 the pipeline takes every timestep of the schedule, which begins at the look's own strength.
            self._scheduler.noise = noise
            picture = as_tensor(source, self.device, self._torch.dtype)
            answer = pipe(**self._settings, image=picture, strength=1.0)
        return [as_picture(answer.images)]
