"""Pipeline class of the published package ``streamdiffusion`` on the same network, if the package is installed.

It solves as LCM does, which may differ from the training of the network. So its speed is compared, and its pictures
are not.
"""

import importlib
import importlib.util
from typing import Any

import torch

from benchmarks.paper.contender import ContenderConfig, Pixels
from benchmarks.paper.torch_model import TorchModel, to_pixels, to_tensor
from presets.errors import AcceleratorUnavailable
from presets.parameters import Parameters

INSTALL = "pip install --no-deps streamdiffusion"
GRID = 50
"""Number of timesteps that its steps are picked from, as in its README."""


def missing() -> str:
    """Return the reason why it cannot be measured, or an empty string."""
    if importlib.util.find_spec("streamdiffusion") is None:
        return f"the package streamdiffusion is not installed; get it with: {INSTALL}"
    return ""


LATENT_CHANNELS = 4
"""Channels of the latents that StreamDiffusion allocates."""


class StreamDiffusionRival:
    """`StreamDiffusion` with its denoising batch, in eager torch. Guidance is its kind ``full``."""

    def __init__(self, config: ContenderConfig) -> None:
        if reason := missing():
            raise AcceleratorUnavailable(reason[0].upper() + reason[1:])
        from diffusers import StableDiffusionPipeline

        self._torch = model = TorchModel(config)
        if model.latent[0] != LATENT_CHANNELS:
            raise AcceleratorUnavailable(
                f"StreamDiffusion draws latents of {LATENT_CHANNELS} channels; those of {config.model} have"
                f" {model.latent[0]}."
            )
        self.device = model.device
        self.description = model.description | {"package": "streamdiffusion"}
        if self.device.type != "cuda":
            _replace_cuda_events()
            self.description["note"] = "the CUDA events of its own timing are replaced by empty ones here"
        # It encodes texts itself, on the pipeline's device and in its type.
        text_encoder = model.model.text_encoder.to(model.device, model.dtype)
        parts = (model.autoencoder, text_encoder, model.model.tokenizer, model.unet, _scheduler(model), None, None)
        self._pipe = StableDiffusionPipeline(*parts, requires_safety_checker=False)
        self._size = {"width": config.width, "height": config.height}

    def begin(self, look: Parameters) -> None:
        """Start drawing with `look`."""
        stream_class = importlib.import_module("streamdiffusion").StreamDiffusion
        self._look = look
        self._torch.forget_source()
        kind = "none" if look.guidance == 1.0 else "full"
        indices = [GRID * step // look.steps for step in range(look.steps)]
        self._stream: Any = stream_class(
            self._pipe, indices, torch_dtype=self._torch.dtype, cfg_type=kind, **self._size
        )
        self._stream.prepare(look.prompt[0].text, num_inference_steps=GRID, guidance_scale=look.guidance)
        self._admitted = 0

    @torch.inference_mode()
    def draw(self, source: Pixels, seed: int) -> list[Pixels]:
        """Admit one frame. The first answers come from a buffer of zeros and are dropped."""
        if self._look.mode == "text":
            torch.manual_seed(seed)
            answer = self._stream.txt2img()
        else:
            answer = self._stream(to_tensor(source, self.device, self._torch.dtype))
        self._admitted += 1
        return [to_pixels(answer / 2 + 0.5)] if self._admitted >= self._look.steps else []


def _scheduler(model: TorchModel) -> Any:
    """Return the scheduler it builds its LCM scheduler from. Another family's configuration has no meaning for it."""
    from diffusers import LCMScheduler

    if model.model.classes["scheduler"] == "LCMScheduler":
        return LCMScheduler.from_pretrained(model.model.folder / "scheduler", local_files_only=True)
    return LCMScheduler(steps_offset=1)


def _replace_cuda_events() -> None:
    """Replace the CUDA events of its own timing, which nothing here reads. This process measures nothing else."""

    class Event:
        def __init__(self, enable_timing: bool = False) -> None:
            pass

        def record(self) -> None:
            pass

        def elapsed_time(self, other: "Event") -> float:
            return 0.0

    torch.cuda.Event = Event  # type: ignore[misc, assignment]
    torch.cuda.synchronize = lambda device=None: None
