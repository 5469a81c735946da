"""The published ``streamdiffusion`` package's own pipeline class on the same network, where it is installed.

It solves as LCM does, whatever the network was trained for: with the same network, steps and batch its speed can be
compared, its pictures can't. It is no dependency of this program.
"""

import importlib
import importlib.util
from typing import Any

import torch

from benchmarks.paper.contender import ContenderConfig, Pixels, as_picture, as_tensor
from benchmarks.paper.torch_model import TorchModel
from presets.errors import AcceleratorUnavailable
from presets.parameters import Parameters

INSTALL = "pip install --no-deps streamdiffusion"
GRID = 50
"""Timesteps that its own steps are picked from, as its README has it."""


def missing() -> str:
    """Why it can't be measured, or nothing."""
    if importlib.util.find_spec("streamdiffusion") is None:
        return f"the package streamdiffusion is not installed; get it with: {INSTALL}"
    return ""


class StreamDiffusionRival:
    """`StreamDiffusion` with its denoising batch, in eager torch as it comes; guidance is its kind "full"."""

    def __init__(self, subject: ContenderConfig) -> None:
        if reason := missing():
            raise AcceleratorUnavailable(reason[0].upper() + reason[1:])
        from diffusers import StableDiffusionPipeline

        self._torch = held = TorchModel(subject)
        self.device = held.device
        self.description = held.description | {"package": "streamdiffusion"}
        if self.device.type != "cuda":
            _stand_in_for_cuda_events()
            self.description["note"] = "CUDA's events and synchronize, by which it times itself, are stand-ins here"
        # It encodes texts by itself, on the pipeline's device and in its type.
        held.model.text_encoder.to(held.device, held.dtype)
        scheduler = _scheduler(held)
        parts = (held.autoencoder, held.model.text_encoder, held.model.tokenizer, held.unet, scheduler, None, None)
        self._pipe = StableDiffusionPipeline(*parts, requires_safety_checker=False)
        self._size = {"width": subject.width, "height": subject.height}

    def begin(self, look: Parameters) -> None:
        """As `Drawer`."""
        StreamDiffusion = importlib.import_module("streamdiffusion").StreamDiffusion

        self._look = look
        kind = "none" if look.guidance == 1.0 else "full"
        indices = [GRID * step // look.steps for step in range(look.steps)]
        self._stream: Any = StreamDiffusion(
            self._pipe, indices, torch_dtype=self._torch.dtype, cfg_type=kind, **self._size
        )
        self._stream.prepare(look.prompt[0].text, num_inference_steps=GRID, guidance_scale=look.guidance)
        self._begun = 0

    @torch.inference_mode()
    def draw(self, source: Pixels, seed: int) -> list[Pixels]:
        """As `Drawer`. Its first answers, of a buffer that began with zeros, are not counted as pictures."""
        if self._look.mode == "text":
            torch.manual_seed(seed)
            answer = self._stream.txt2img()
        else:
            answer = self._stream(as_tensor(source, self.device, self._torch.dtype))
        self._begun += 1
        return [as_picture(answer / 2 + 0.5)] if self._begun >= self._look.steps else []


def _scheduler(held: TorchModel) -> Any:
    """It makes an LCM scheduler of the pipeline's configuration; that of another family says nothing of it."""
    from diffusers import LCMScheduler

    if held.model.classes["scheduler"] == "LCMScheduler":
        return LCMScheduler.from_pretrained(held.model.folder / "scheduler", local_files_only=True)
    return LCMScheduler(steps_offset=1)


def _stand_in_for_cuda_events() -> None:
    """It wants CUDA's events for a figure that nobody reads here. This process measures nothing else."""

    class Event:
        def __init__(self, enable_timing: bool = False) -> None:
            pass

        def record(self) -> None:
            pass

        def elapsed_time(self, other: "Event") -> float:
            return 0.0

    torch.cuda.Event = Event  # type: ignore[misc, assignment]
    torch.cuda.synchronize = lambda device=None: None
