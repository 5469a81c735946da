"""An IP-Adapter in the stream equals diffusers' pipeline with the same file, images and scales, from the same noise.

Expected pictures are those of ``load_ip_adapter`` and ``set_ip_adapter_scale``. Frames of other images and scales are
in flight beside each other, with a negative prompt.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import torch
from diffusers.utils import load_image
from family_pipelines import pipeline_of
from ip_adapter_files import write_image, write_ip_adapter
from stream_comparison import MIN_EFFECT, TOLERANCE, max_difference
from stream_frames import draw, eager_stream
from tiny_folders import SIDE, write_family_folder

from pipeline.image_stream import ImageStream
from pipeline.models import Model, load_model
from pipeline.noise import ENTRY, unit_noise
from presets.frame_parameters import without_morph
from presets.parameters import Parameters


class Frame(NamedTuple):
    """One picture to draw, with the noise of its number."""

    scale: float
    image: str
    """Name of the image's file, empty for none."""


FRAMES = [Frame(1.0, "a"), Frame(0.5, "b"), Frame(0.0, "a"), Frame(1.0, ""), Frame(2.0, "a"), Frame(0.3, "b")]
TEXTS = {"prompt": "a red ring on the sea", "negative_prompt": "grey paper"}


@dataclass
class Case:
    """A model folder, an IP-Adapter for it, and diffusers' pipeline with both."""

    model: Model
    file: Path
    pipe: Any

    def path(self, image: str) -> str:
        return str(self.file.parent / f"{image}.png") if image else ""

    def expected(self, frame: Frame, seed: int) -> torch.Tensor:
        """Draw a frame with diffusers. One without an image is drawn at scale 0, which leaves the attention out."""
        self.pipe.set_ip_adapter_scale(frame.scale if frame.image else 0.0)
        latents: torch.Tensor = self.pipe(
            **TEXTS,
            ip_adapter_image=load_image(self.path(frame.image or "a")),
            num_inference_steps=4,
            height=SIDE,
            width=SIDE,
            guidance_scale=2.5,
            latents=unit_noise(seed, ENTRY, (self.model.latent_channels, SIDE // 8, SIDE // 8))[None],
            output_type="latent",
        ).images
        return latents

    def stream(self, **build: Any) -> ImageStream:
        return eager_stream(self.model, **{"ip_adapter": str(self.file)} | build)

    def moment(self, frame: Frame, seed: int) -> Any:
        parameters = Parameters(
            **TEXTS,  # type: ignore[arg-type]
            seed=seed,
            mode="text",
            steps=4,
            guidance=2.5,
            ip_adapter_scale=frame.scale,
            ip_adapter_image=self.path(frame.image),
        )
        return without_morph(parameters)

    def draw(self, frames: Sequence[Frame], **build: Any) -> list[torch.Tensor]:
        """Draw frames in a stream, from their words and images."""
        return draw(self.stream(**build), [(None, self.moment(frame, seed)) for seed, frame in enumerate(frames)])


@pytest.fixture(scope="module", params=["stable-diffusion", "sdxl"])
def case(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Case:
    folder = tmp_path_factory.mktemp(request.param)
    model = load_model(write_family_folder(request.param, folder / "model"))
    file = write_ip_adapter(model.folder, folder)
    for seed, name in enumerate("abc"):
        write_image(folder / f"{name}.png", seed)
    pipe = pipeline_of(model)
    pipe.load_ip_adapter(str(file.parent), subfolder="", weight_name=file.name)
    return Case(model, file, pipe)


def test_stream_equals_the_pipeline_with_an_ip_adapter(case: Case) -> None:
    expected = [case.expected(frame, seed) for seed, frame in enumerate(FRAMES)]
    first = FRAMES[0]
    for changed in (first._replace(scale=1.25), first._replace(image="b")):
        assert max_difference(case.expected(changed, 0), expected[0]) > MIN_EFFECT, f"{changed} has no effect"
    for drawn, reference in zip(case.draw(FRAMES), expected, strict=True):
        assert max_difference(drawn, reference) < TOLERANCE


def test_scale_zero_is_no_ip_adapter(case: Case) -> None:
    """Pictures of scale 0, and those without an image, are the model's own, beside pictures of an image."""
    frames = [Frame(2.0, "a"), Frame(0.0, "b"), Frame(2.0, "")]
    with_it, without = case.draw(frames), case.draw(frames, ip_adapter="")
    assert max_difference(with_it[0], without[0]) > MIN_EFFECT
    assert [torch.equal(one, other) for one, other in zip(with_it, without, strict=True)] == [False, True, True]


def test_images_are_encoded_once(case: Case) -> None:
    images = case.stream()
    moments = {image: case.moment(Frame(1.0, image), 0).wording for image in ("", "a", "b")}
    assert images.recall(moments["a"]) is None
    encoded = images.encode(moments["a"])
    assert images.recall(moments["a"]) is encoded, "the same object, which no picture copies again"
    assert images.recall(moments["b"]) is None
    assert images.encode(moments["b"]).shows_image
    assert not images.encode(moments[""]).shows_image
    assert images.recall(moments["a"]) is not None


def test_refused_image_leaves_the_one_before(case: Case) -> None:
    images, gone = case.stream(), case.path("gone")
    missing = case.moment(Frame(1.0, "gone"), 0).wording
    assert not images.encode(missing).shows_image
    assert images.refused == f"There is no image {gone}. Name a JPEG, PNG, WebP, BMP or TIFF, or none."
    shown = images.encode(case.moment(Frame(1.0, "a"), 0).wording)
    assert images.refused == ""
    assert images.encode(missing) is shown
    assert "There is no image" in images.refused
    images.encode(case.moment(Frame(1.0, ""), 0).wording)
    assert images.refused == ""
