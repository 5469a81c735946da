"""Pictures of tiny model folders as diffusers' own pipelines draw them, from the noise of the stream."""

import itertools
import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import diffusers
import numpy as np
import pytest
import torch
import transformers
from numpy.typing import NDArray
from PIL import Image
from tiny_folders import SIDE

from pipeline.diffusers_schedulers import PeRFlowScheduler
from pipeline.models import Model
from pipeline.noise import ENTRY, unit_noise


def pipeline_of(model: Model, kind: str = "", **parts: Any) -> Any:
    """Return the pipeline of a folder with PeRFlow's scheduler, a class that diffusers does not know and can't load.

    Args:
        model: The model, of Stable Diffusion or SDXL.
        kind: Part of the name of its class before ``Pipeline``, such as ``ControlNet``.
        parts: Components that the folder does not have.
    """
    networks = {name: model.read_network(name) for name in model.weights}
    tokenizers = {
        name: getattr(transformers, model.classes[name]).from_pretrained(model.folder / name)
        for name in model.family.tokenizers
    }
    is_xl = model.family.title == "SDXL"
    if not is_xl:
        parts |= {"safety_checker": None, "feature_extractor": None, "requires_safety_checker": False}
    scheduler = PeRFlowScheduler.from_pretrained(model.folder / "scheduler")
    loader = getattr(diffusers, f"StableDiffusion{'XL' if is_xl else ''}{kind}Pipeline")
    return _quiet(loader(**networks, **tokenizers, **parts, scheduler=scheduler))


def loaded_pipeline(model: Model) -> Any:
    """Return the pipeline that a folder names, loaded by diffusers where it can."""
    if model.classes["scheduler"] == "PeRFlowScheduler":
        return pipeline_of(model)
    loader = getattr(diffusers, json.loads((model.folder / "model_index.json").read_text())["_class_name"])
    return _quiet(loader.from_pretrained(model.folder, local_files_only=True))


def _quiet(pipe: Any) -> Any:
    pipe.set_progress_bar_config(disable=True)
    return pipe


class FreshNoise:
    """Noise that a scheduler of diffusers adds: row r of a frame gets noise r + 1 of its seed, as in the stream."""

    def __init__(self) -> None:
        self.begin(0)

    def begin(self, seed: int) -> None:
        """Start the rows of another frame."""
        self._seed, self._rows = seed, itertools.count(1)

    def __call__(self, shape: Any, **_: object) -> torch.Tensor:
        """Return the noise ``[1, C, h, w]`` of the next row."""
        return unit_noise(self._seed, next(self._rows), tuple(shape)[-3:])[None]


@contextmanager
def fresh_noise() -> Iterator[FreshNoise]:
    """Let the schedulers of diffusers add the noise of the stream."""
    noise = FreshNoise()
    with pytest.MonkeyPatch.context() as patch:
        for scheduler in ("scm", "lcm", "euler_ancestral_discrete"):
            patch.setattr(f"diffusers.schedulers.scheduling_{scheduler}.randn_tensor", noise)
        yield noise


def draw_latent(pipe: Any, model: Model, noise: FreshNoise, seed: int, frame: dict[str, Any]) -> torch.Tensor:
    """Return the latent ``[1, C, h, w]`` of a frame with ``text``, ``negative``, ``steps`` and ``guidance``."""
    kind = type(pipe).__name__
    drawn = _draw(pipe, model, noise, seed, frame, output_type="latent")
    if kind == "Flux2KleinPipeline":
        return pipe.vae.bn(pipe._patchify_latents(drawn))  # it undoes the autoencoder's normalisation
    return pipe._unpack_latents(drawn, SIDE, SIDE, 8) if kind == "FluxPipeline" else drawn


def draw_picture(pipe: Any, model: Model, noise: FreshNoise, seed: int, frame: dict[str, Any]) -> NDArray[np.uint8]:
    """Return the picture ``[H, W, 3]`` of a frame, as `draw_latent`. One with a ``source`` is an edit of it."""
    options = {"image": Image.fromarray(frame["source"])} if "source" in frame else {}
    (drawn,) = _draw(pipe, model, noise, seed, frame, output_type="pil", **options)
    return np.asarray(drawn)


def _draw(pipe: Any, model: Model, noise: FreshNoise, seed: int, frame: dict[str, Any], **options: Any) -> Any:
    noise.begin(seed)
    kind, guidance, steps = type(pipe).__name__, frame["guidance"], frame["steps"]
    shape = (model.latent_channels, SIDE // model.factor, SIDE // model.factor)
    latents = unit_noise(seed, ENTRY, shape)[None]
    if kind in ("StableDiffusionPipeline", "StableDiffusionXLPipeline", "StableDiffusion3Pipeline"):
        options["negative_prompt"] = frame["negative"] or (None if "XL" in kind else "")
    if kind == "ZImagePipeline":  # its scale is that of what the prompt adds
        options["negative_prompt"], guidance = frame["negative"], guidance - 1.0
    if kind == "FluxPipeline":
        latents = pipe._pack_latents(latents, 1, *shape)
        options["max_sequence_length"] = model.conditioning.embeds[0]
    if kind == "SanaSprintPipeline":
        options |= {"use_resolution_binning": False, "intermediate_timesteps": 1.3 if steps == 2 else None}
    scale = "distilled_guidance_scale" if kind == "HunyuanImagePipeline" else "guidance_scale"
    options |= {"height": SIDE, "width": SIDE, "num_inference_steps": steps, scale: guidance}
    return pipe(prompt=frame["text"], latents=latents, **options).images
