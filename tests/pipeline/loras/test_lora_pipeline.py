"""LoRAs in the stream equal diffusers' own pipeline with the same files and weights, from the same noise.

Expected pictures are those of ``load_lora_weights`` and ``set_adapters``, which peft computes. Frames of other weights
are in flight beside each other.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from family_pipelines import pipeline_of
from lora_files import branches, in_diffusers_names, in_kohya_names, write
from stream_comparison import MIN_EFFECT, TOLERANCE, max_difference
from stream_frames import eager_stream
from tiny_folders import SIDE, write_family_folder

from pipeline.guidance import Guidance
from pipeline.image_stream import ImageStream, StreamedFrame
from pipeline.kept_texts import KeptTexts, text_key
from pipeline.model_texts import conditioner_of
from pipeline.models import Model, load_model
from pipeline.noise import ENTRY, unit_noise
from presets.frame_parameters import NoiseWeight, PromptMixture, TextWeight, without_morph
from presets.parameters import Parameters

Weights = tuple[float, float]

TEXTS = ("a red ring on the sea", "grey paper")
FAR_APART: list[Weights] = [(2.0, 2.0), (-2.0, -2.0), (2.0, -2.0), (-2.0, 2.0), (0.0, 0.0)]
FRAMES: list[Weights] = [(0.0, 0.0), (1.0, 0.0), (0.0, 1.0), (0.7, 1.3), (-1.0, 0.4), (2.0, -2.0)]


@dataclass
class Case:
    """A model, two LoRAs for it, and diffusers' pipeline with both."""

    model: Model
    files: tuple[Path, Path]
    pipe: Any

    def expected(self, weights: Weights, seed: int) -> torch.Tensor:
        """Draw a frame with diffusers."""
        self.pipe.set_adapters(["one", "two"], list(weights))
        shape = (self.model.latent_channels, SIDE // self.model.factor, SIDE // self.model.factor)
        latents: torch.Tensor = self.pipe(
            prompt=TEXTS[0],
            negative_prompt=TEXTS[1],
            num_inference_steps=4,
            height=SIDE,
            width=SIDE,
            guidance_scale=2.5,
            latents=unit_noise(seed, ENTRY, shape)[None],
            output_type="latent",
        ).images
        return latents


@pytest.fixture(scope="module", params=["stable-diffusion", "sdxl"])
def plain(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Model:
    """The model without a LoRA."""
    return load_model(write_family_folder(request.param, tmp_path_factory.mktemp(request.param) / "model"))


@pytest.fixture(scope="module")
def case(plain: Model, tmp_path_factory: pytest.TempPathFactory) -> Case:
    """The first LoRA is kohya's, of the UNet and the text encoders, the second diffusers' and of the UNet alone."""
    folder, pipe = tmp_path_factory.mktemp("loras"), pipeline_of(plain)
    texts = {name: getattr(pipe, name) for name in plain.weights if name.startswith("text_encoder")}
    files = (
        write(folder / "one.safetensors", in_kohya_names(branches({"unet": pipe.unet} | texts, seed=1))),
        write(folder / "two.safetensors", in_diffusers_names(branches({"unet": pipe.unet}, seed=2, rank=5))),
    )
    for name, file in zip(("one", "two"), files, strict=True):
        pipe.load_lora_weights(str(file), adapter_name=name)
    return Case(load_model(plain.folder, [str(file) for file in files]), files, pipe)


def make_stream(case: Case) -> ImageStream:
    return eager_stream(case.model, lora1=str(case.files[0]), lora3=str(case.files[1]))


def draw(images: ImageStream, frames: list[Weights]) -> list[torch.Tensor]:
    """Draw frames with these weights of the LoRAs in places 1 and 3, several in flight together."""
    stream, out, waiting = images.prepared.stream, dict[object, torch.Tensor](), list(enumerate(frames))
    while waiting or stream.in_flight:
        if waiting and stream.free:
            seed, (one, two) = waiting.pop(0)
            places = (one, 9.0, two, 9.0)  # places 2 and 4 are empty, so their weights do nothing
            words = PromptMixture((TextWeight(TEXTS[0]),), (TextWeight(TEXTS[1]),), "linear", places)
            stream.admit(
                None,
                images.model.schedule(4, 1.0),
                images.encode(words),
                guidance=Guidance(2.5),
                noise=(NoiseWeight(seed),),
                numbers=images.settings.of_loaded(places),
                ticket=seed,
            )
        out |= {ticket: latent[None].clone() for latent, ticket in stream.step()}
    return [out[seed] for seed in range(len(frames))]


def test_stream_equals_the_pipeline_with_loras(case: Case) -> None:
    expected = [case.expected(weights, seed) for seed, weights in enumerate(FRAMES)]
    for seed, (one, two) in enumerate(FRAMES):
        for changed in ((one + 0.5, two), (one, two + 0.5)):
            assert max_difference(case.expected(changed, seed), expected[seed]) > MIN_EFFECT, f"{changed} does nothing"
    for drawn, reference in zip(draw(make_stream(case), FRAMES), expected, strict=True):
        assert max_difference(drawn, reference) < TOLERANCE


def test_pictures_keep_the_weights_of_their_admission(case: Case) -> None:
    """Faders move between any two pictures: nothing is built again, and what is in flight goes on as it was."""
    images = make_stream(case)
    engines = images.prepared.engines

    def admit(one: float, two: float) -> None:
        moment = without_morph(Parameters(prompt="fire", mode="text", lora1_weight=one, lora3_weight=two))
        assert images.recall(moment.wording) is None or (one, two) in seen, "the text depends on the weights"
        seen.add((one, two))
        images.admit(None, moment, images.encode(moment.wording), (one, two))

    def drain() -> list[StreamedFrame]:
        finished = []
        while images.in_flight:
            finished += images.step()
        return finished

    seen, frames = set[object](), list[StreamedFrame]()
    for weights in FAR_APART:
        while not images.free:
            frames += images.step()
        admit(*weights)
        frames += images.step()
    frames += drain()
    assert [frame.ticket for frame in frames] == FAR_APART
    for pixels, weights in frames:
        admit(*weights)  # type: ignore[misc]
        (alone,) = drain()
        distances = [int(np.abs(alone.pixels.astype(int) - other.pixels).max()) for other in frames]
        assert np.abs(alone.pixels.astype(int) - pixels).max() <= 1
        assert sorted(distances)[1] > 3, "pictures of other weights look the same"
    assert images.prepared.engines is engines


def test_text_weights_are_encoded_once(case: Case) -> None:
    images = make_stream(case)
    words = without_morph(Parameters(prompt="fire", lora1_weight=0.5)).wording
    half = images.encode(words)
    assert images.recall(words) is half, "the same object, which no picture copies again"
    assert images.recall(words._replace(loras=(0.5, -1.0, 1.0, 2.0))) is half, "places 2 and 4 are empty"
    other = words._replace(loras=(0.6, 1.0, 1.0, 1.0))
    assert images.recall(other) is None
    assert max_difference(images.encode(other).positive.embeds, half.positive.embeds) > 1e-3


def test_texts_without_loras_ignore_the_weights(plain: Model) -> None:
    conditioner = conditioner_of(plain)
    words = without_morph(Parameters(prompt="fire")).wording
    encoded = conditioner.encode(words)
    assert conditioner.recall(words._replace(loras=(0.1, 0.2, 0.3, 0.4))) is encoded


def test_texts_on_disk_follow_the_weights(case: Case, plain: Model, tmp_path: Path) -> None:
    model = load_model(plain.folder, [str(file) for file in case.files])
    kept = KeptTexts(tmp_path, text_key(model, "torch"), model.conditioning)
    in_memory, first, second = (
        conditioner_of(case.model),
        conditioner_of(model, None, kept),
        conditioner_of(model, None, kept),
    )
    expected = [in_memory.encode_text(TEXTS[0], weights) for weights in FAR_APART]
    assert max_difference(expected[0].embeds, expected[-1].embeds) > 1e-3
    for texts in (first, second):
        found = [texts.encode_text(TEXTS[0], weights) for weights in FAR_APART]
        assert all(torch.equal(one.embeds, other.embeds) for one, other in zip(found, expected, strict=True))
    assert (first.text_encoder.encoded, second.text_encoder.encoded) == (len(FAR_APART), 0)
    assert text_key(plain, "torch") != text_key(model, "torch")


def test_weight_zero_is_no_lora(case: Case, plain: Model) -> None:
    zeros = draw(make_stream(case), [(0.0, 0.0)] * 3)
    without = draw(eager_stream(plain), [(1.0, 1.0)] * 3)
    for drawn, reference in zip(zeros, without, strict=True):
        assert torch.equal(drawn, reference)
