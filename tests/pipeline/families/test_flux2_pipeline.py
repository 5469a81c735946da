"""A folder of FLUX.2-klein edits sources as diffusers' own pipeline does, latent for latent, beside frames without."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from diffusers import Flux2KleinInpaintPipeline, Flux2KleinPipeline
from numpy.typing import NDArray
from PIL import Image
from stream_comparison import MIN_EFFECT, TOLERANCE, max_difference
from tiny_folders import write_family_folder

from pipeline.guidance import Guidance
from pipeline.image_stream import ImageStream
from pipeline.noise import ENTRY, unit_noise
from presets.build import Build
from presets.frame_parameters import NoiseWeight, PromptMixture, TextWeight, without_morph
from presets.parameters import Parameters, WeightedPrompt

WIDTH, HEIGHT = 96, 64
EDITS: list[dict[str, Any]] = [
    {"text": "make it neon", "source": 0, "steps": 4, "guidance": 3.0},
    {"text": "a blue ring", "source": None, "steps": 6, "guidance": 2.0},
    {"text": "winter", "source": 2, "steps": 4, "guidance": 1.0},
    {"text": "winter", "source": 0, "steps": 1, "guidance": 2.0},
    {"text": "ink", "source": None, "steps": 5, "guidance": 1.0},
]
SHARED: list[dict[str, Any]] = [
    {"text": "make it neon", "source": 0, "steps": 8, "guidance": 3.0, "strength": 0.5},
    {"text": "a blue ring", "source": 1, "steps": 6, "guidance": 2.0, "strength": 1.0},
    {"text": "winter", "source": 2, "steps": 4, "guidance": 1.0, "strength": 0.75},
    {"text": "winter", "source": 0, "steps": 10, "guidance": 1.0, "strength": 0.5},
]


def photograph(index: int) -> NDArray[np.uint8]:
    """Return a grainy picture with a colour of its own."""
    colour = np.array([120.0 * (index >> bit & 1) for bit in range(3)])
    grain = np.random.default_rng(index).integers(0, 120, (HEIGHT, WIDTH, 3))
    return (colour + grain).astype(np.uint8)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_family_folder("flux2", tmp_path_factory.mktemp("flux2") / "model")


@pytest.fixture(scope="module")
def images(folder: Path) -> ImageStream:
    build = Build(model=str(folder), width=WIDTH, height=HEIGHT, accelerator="eager", slots=3, threads=1)
    return ImageStream.build(build, lambda text, fraction: None)


@pytest.fixture(scope="module")
def pipe(folder: Path) -> Any:
    pipe = Flux2KleinPipeline.from_pretrained(folder, local_files_only=True)
    pipe.set_progress_bar_config(disable=True)
    return pipe


def edit_with_diffusers(pipe: Any, images: ImageStream, seed: int, frame: dict[str, Any]) -> torch.Tensor:
    drawn = pipe(
        prompt=frame["text"],
        image=None if frame["source"] is None else Image.fromarray(photograph(frame["source"])),
        height=HEIGHT,
        width=WIDTH,
        num_inference_steps=frame["steps"],
        guidance_scale=frame["guidance"],
        latents=unit_noise(seed, ENTRY, images.shapes.latent)[None],
        output_type="latent",
    ).images
    return pipe.vae.bn(pipe._patchify_latents(drawn))  # it undoes the autoencoder's normalisation


def draw_in_stream(images: ImageStream, frames: list[dict[str, Any]]) -> list[torch.Tensor]:
    """Return the latents ``[1, C, h, w]`` of frames that are in flight together."""
    prepared, out, most = images.prepared, dict[Any, torch.Tensor](), 0
    waiting = list(enumerate(frames))
    while waiting or prepared.stream.in_flight:
        if waiting and prepared.stream.free:
            seed, frame = waiting.pop(0)
            strength, latent, source = frame.get("strength", 1.0), None, None
            if frame["source"] is not None:
                latent = prepared.engines.encode(torch.from_numpy(photograph(frame["source"]))[None])[0].clone()
                source = prepared.source_of(latent, 1.0)
            prepared.stream.admit(
                latent if strength < 1.0 else None,
                images.model.schedule(frame["steps"], strength, (WIDTH, HEIGHT)),
                images.encode(PromptMixture((TextWeight(frame["text"]),), (TextWeight(""),), "linear")),
                guidance=Guidance(frame["guidance"]),
                noise=(NoiseWeight(seed),),
                source=source,
                ticket=seed,
            )
        most = max(most, prepared.stream.in_flight)
        out |= {ticket: latent[None].clone() for latent, ticket in prepared.stream.step()}
    assert most == 3
    return [out[seed] for seed in range(len(frames))]


def test_stream_equals_klein_editing(images: ImageStream, pipe: Any) -> None:
    expected = [edit_with_diffusers(pipe, images, seed, frame) for seed, frame in enumerate(EDITS)]
    for changed in ({"text": "autumn"}, {"source": 3}, {"source": None}, {"guidance": 1.5}):
        effect = max_difference(edit_with_diffusers(pipe, images, 0, EDITS[0] | changed), expected[0])
        assert effect > MIN_EFFECT, changed
    for drawn, reference in zip(draw_in_stream(images, EDITS), expected, strict=True):
        assert max_difference(drawn, reference) < TOLERANCE


def test_stream_equals_klein_img2img(images: ImageStream, pipe: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A picture that begins with its source and sees it: diffusers' inpainting of all of a picture."""
    inpaint = Flux2KleinInpaintPipeline(**pipe.components)
    inpaint.set_progress_bar_config(disable=True)

    def draw_with_diffusers(seed: int, frame: dict[str, Any]) -> torch.Tensor:
        noise = unit_noise(seed, ENTRY, images.shapes.latent)[None]
        monkeypatch.setattr(f"{type(inpaint).__module__}.randn_tensor", lambda *_, **__: noise)
        drawn = inpaint(
            prompt=frame["text"],
            image=Image.fromarray(photograph(frame["source"])),
            mask_image=Image.new("L", (WIDTH, HEIGHT), 255),
            strength=frame["strength"],
            num_inference_steps=frame["steps"],
            guidance_scale=frame["guidance"],
            output_type="latent",
        ).images
        return inpaint.vae.bn(inpaint._patchify_latents(drawn))

    expected = [draw_with_diffusers(seed, frame) for seed, frame in enumerate(SHARED)]
    for changed in ({"text": "autumn"}, {"source": 3}, {"strength": 0.75}):
        assert max_difference(draw_with_diffusers(0, SHARED[0] | changed), expected[0]) > MIN_EFFECT, changed
    for drawn, reference in zip(draw_in_stream(images, SHARED), expected, strict=True):
        assert max_difference(drawn, reference) < TOLERANCE


def test_controls_equal_klein_editing(images: ImageStream, pipe: Any) -> None:
    """The preset of docs/families.md: a picture at strength 1 is the pipeline's edit of it, pixel for pixel."""
    look = Parameters(prompt=(WeightedPrompt(text="make it neon"),), strength=1.0, steps=4)
    moment = without_morph(look)
    images.admit(photograph(0), moment, images.encode(moment.wording))
    drawn: list[Any] = []
    while not drawn:
        drawn = images.step()
    latent = edit_with_diffusers(pipe, images, look.seed, EDITS[0] | {"guidance": 1.0})
    with torch.inference_mode():
        expected = images.prepared.engines.decode(latent)[0].numpy().astype(int)
    found = drawn[0].pixels.astype(int)
    assert np.abs(found - expected).max() <= 1
    assert np.abs(found - photograph(0)).mean() > 10
