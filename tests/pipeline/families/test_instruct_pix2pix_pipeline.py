"""A folder in InstructPix2Pix's layout equals diffusers' own pipeline, latent for latent, with both guidance scales."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from diffusers import StableDiffusionInstructPix2PixPipeline
from numpy.typing import NDArray
from stream_comparison import MIN_EFFECT, TOLERANCE, max_difference

from pipeline.diffusers_schedulers import PeRFlowScheduler
from pipeline.guidance import Guidance
from pipeline.image_stream import ImageStream
from pipeline.models import Model, load_model
from pipeline.noise import ENTRY, unit_noise
from presets.build import Build
from presets.frame_parameters import NoiseWeight, PromptMixture, TextWeight

FRAMES: list[dict[str, Any]] = [
    {"text": "make it neon", "source": 0, "steps": 4, "guidance": 3.0, "image": 1.5},
    {"text": "a blue ring", "source": 1, "steps": 6, "guidance": 2.0, "image": 1.0},
    {"text": "winter", "source": 2, "steps": 4, "guidance": 2.5, "image": 4.0},
    {"text": "winter", "source": 0, "steps": 5, "guidance": 2.0, "image": 2.0},
    {"text": "ink", "source": 1, "steps": 4, "guidance": 1.0, "image": 1.0},
]


def photograph(index: int) -> NDArray[np.uint8]:
    return np.random.default_rng(index).integers(0, 256, (64, 64, 3), dtype=np.uint8)


@pytest.fixture(scope="module")
def model(source_folder: Path) -> Model:
    model = load_model(source_folder)
    with torch.no_grad():  # guidance multiplies the output by up to 4, and large latents lose precision in float32
        model.denoiser.conv_out.weight.mul_(0.3)
    return model


@pytest.fixture(scope="module")
def pipe(model: Model) -> Any:
    scheduler = PeRFlowScheduler.from_pretrained(model.folder / "scheduler")
    parts = (model.autoencoder, model.text_encoder, model.tokenizer, model.denoiser, scheduler, None, None)
    pipe = StableDiffusionInstructPix2PixPipeline(*parts, requires_safety_checker=False)
    pipe.set_progress_bar_config(disable=True)
    return pipe


def draw_with_diffusers(pipe: Any, seed: int, frame: dict[str, Any]) -> torch.Tensor:
    picture = torch.from_numpy(photograph(frame["source"])).permute(2, 0, 1)[None] / 255
    return pipe(
        frame["text"],
        negative_prompt="grey fog",
        image=picture,
        num_inference_steps=frame["steps"],
        guidance_scale=frame["guidance"],
        image_guidance_scale=frame["image"],
        latents=unit_noise(seed, ENTRY, (4, 8, 8))[None],
        output_type="latent",
    ).images


def test_stream_equals_instruct_pix2pix(
    model: Model, pipe: Any, source_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = [draw_with_diffusers(pipe, seed, frame) for seed, frame in enumerate(FRAMES)]
    for changed in ({"text": "autumn"}, {"source": 3}, {"guidance": 1.5}, {"image": 1.0}):
        assert max_difference(draw_with_diffusers(pipe, 0, FRAMES[0] | changed), expected[0]) > MIN_EFFECT

    monkeypatch.setattr("pipeline.image_stream.model_of", lambda build: model)
    build = Build(model=str(source_folder), width=64, height=64, accelerator="eager", slots=3, threads=1)
    images = ImageStream.build(build, lambda text, fraction: None)
    prepared, out, seen = images.prepared, {}, set[int]()
    waiting = list(enumerate(FRAMES))
    while waiting or prepared.stream.in_flight:
        if waiting and prepared.stream.free:
            seed, frame = waiting.pop(0)
            latent = prepared.engines.encode(torch.from_numpy(photograph(frame["source"]))[None])[0]
            prepared.stream.admit(
                None,
                model.schedule(frame["steps"], 1.0),
                images.encode(PromptMixture((TextWeight(frame["text"]),), (TextWeight("grey fog"),), "linear")),
                guidance=Guidance(frame["guidance"], "full", frame["image"]),
                noise=(NoiseWeight(seed),),
                source=prepared.source_of(latent, 1.0),
                ticket=seed,
            )
        seen.add(prepared.stream.in_flight)
        out |= {ticket: latent[None].clone() for latent, ticket in prepared.stream.step()}
    assert max(seen) == 3
    for seed, reference in enumerate(expected):
        assert max_difference(out[seed], reference) < TOLERANCE
