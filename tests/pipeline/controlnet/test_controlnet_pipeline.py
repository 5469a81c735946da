"""A ControlNet in the stream equals diffusers' own pipeline with the same pictures and scales, from the same noise.

Frames of other scales and other pictures are in flight beside each other, with a negative prompt. The pictures go in as
those of a source do: what the stream makes of them is compared with diffusers' recipe.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
import pytest
import torch
from controlnet_folders import picture, write_controlnet
from diffusers import ControlNetModel
from family_pipelines import pipeline_of
from numpy.typing import NDArray
from PIL import Image
from stream_comparison import MIN_EFFECT, TOLERANCE, max_difference
from stream_frames import draw, eager_stream
from tiny_depth_model import write_depth_model
from tiny_folders import SIDE, write_family_folder

from pipeline.controlnet.control_pictures import ControlPictures
from pipeline.controlnet.depth_folder import open_depth_model
from pipeline.models import Model, load_model
from pipeline.noise import ENTRY, unit_noise
from presets.frame_parameters import FrameParameters, without_morph
from presets.parameters import Parameters


class Frame(NamedTuple):
    """One picture to draw, with the noise of its number."""

    scale: float
    number: int
    """Number of its source."""
    high: float = 200.0
    """Upper threshold of its edges."""
    mode: str = "image"


FRAMES = [
    Frame(1.0, 0),
    Frame(0.0, 1),
    Frame(0.4, 2),
    Frame(2.0, 3, high=60.0),
    Frame(1.0, 4, mode="text"),
    Frame(1.3, 5),
    Frame(0.7, 0),
]
TEXTS = {"prompt": "a red ring on the sea", "negative_prompt": "grey paper"}


def edges(pixels: NDArray[np.uint8], low: float, high: float) -> Image.Image:
    """Return diffusers' documented recipe for ControlNets of edges."""
    found = cv2.Canny(pixels, low, high)[:, :, None]
    return Image.fromarray(np.concatenate([found, found, found], axis=2))


@dataclass
class Case:
    """A model folder, a ControlNet for it, and diffusers' pipeline of both."""

    model: Model
    controlnet: Path
    pipe: Any

    def expected(self, frame: Frame, seed: int, control: str | torch.Tensor = "canny") -> torch.Tensor:
        """Draw a frame with diffusers. `control` is a preprocessor, or a control picture ``[1, 3, H, W]``."""
        pixels = picture(frame.number)
        made = edges(pixels, 100.0, frame.high) if control == "canny" else Image.fromarray(pixels)
        latents: torch.Tensor = self.pipe(
            **TEXTS,
            image=made if isinstance(control, str) else control,
            controlnet_conditioning_scale=frame.scale if frame.mode == "image" else 0.0,
            num_inference_steps=4,
            height=SIDE,
            width=SIDE,
            guidance_scale=2.5,
            latents=unit_noise(seed, ENTRY, latent_shape(self.model))[None],
            output_type="latent",
        ).images
        return latents

    def draw(self, frames: Sequence[Frame], **build: Any) -> list[torch.Tensor]:
        """Draw frames in a stream, from their sources."""
        given = {"controlnet": str(self.controlnet), "controlnet_preprocessor": "canny"} | build
        moments = [(picture(frame.number), moment(frame, seed)) for seed, frame in enumerate(frames)]
        return draw(eager_stream(self.model, **given), moments)


def moment(frame: Frame, seed: int) -> FrameParameters:
    parameters = Parameters(
        **TEXTS,  # type: ignore[arg-type]
        seed=seed,
        mode=frame.mode,  # type: ignore[arg-type]
        strength=1.0,
        steps=4,
        guidance=2.5,
        controlnet_scale=frame.scale,
        canny_high=frame.high,
    )
    return without_morph(parameters)


def latent_shape(model: Model) -> tuple[int, int, int]:
    return model.latent_channels, SIDE // model.factor, SIDE // model.factor


@pytest.fixture(scope="module", params=["stable-diffusion", "sdxl"])
def case(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Case:
    folder = tmp_path_factory.mktemp(request.param)
    model = load_model(write_family_folder(request.param, folder / "model"))
    controlnet = write_controlnet(model.folder, folder / "edges")
    network = ControlNetModel.from_pretrained(controlnet)
    return Case(model, controlnet, pipeline_of(model, "ControlNet", controlnet=network))


def test_stream_equals_the_pipeline_with_a_controlnet(case: Case) -> None:
    expected = [case.expected(frame, seed) for seed, frame in enumerate(FRAMES)]
    first = FRAMES[0]
    for changed in (first._replace(scale=1.25), first._replace(number=1), first._replace(high=60.0)):
        assert max_difference(case.expected(changed, 0), expected[0]) > MIN_EFFECT, f"{changed} has no effect"
    for drawn, reference in zip(case.draw(FRAMES), expected, strict=True):
        assert max_difference(drawn, reference) < TOLERANCE


@pytest.mark.parametrize("preprocessor", ["none", "tile"])
def test_picture_itself_is_the_control_picture(case: Case, preprocessor: str) -> None:
    (drawn,) = case.draw(FRAMES[:1], controlnet_preprocessor=preprocessor)
    reference = case.expected(FRAMES[0], 0, preprocessor)
    assert max_difference(drawn, reference) < TOLERANCE
    assert max_difference(reference, case.expected(FRAMES[0], 0)) > MIN_EFFECT, "edges look the same"


def test_depth_is_that_of_each_frame(case: Case, tmp_path: Path) -> None:
    """`test_depth_maps` compares the depth itself."""
    folder = str(write_depth_model(tmp_path / "depth"))
    pictures = ControlPictures(SIDE, SIDE, torch.device("cpu"), open_depth_model(folder))
    frames = [Frame(1.0, 0), Frame(0.6, 1)]
    drawn = case.draw(frames, controlnet_preprocessor="depth", controlnet_depth_model=folder)
    for seed, frame in enumerate(frames):
        depth = pictures.make(picture(frame.number), "depth", Parameters()).clone()
        reference = case.expected(frame, seed, depth[None])
        assert max_difference(drawn[seed], reference) < TOLERANCE
        assert max_difference(reference, case.expected(frame, seed, "tile")) > MIN_EFFECT, "depth looks the same"


def test_scale_zero_is_no_controlnet(case: Case) -> None:
    """Pictures of scale 0, and those drawn from text, are the model's own, beside pictures that are controlled."""
    frames = [Frame(2.0, 0), Frame(0.0, 1), Frame(2.0, 2), Frame(2.0, 3, mode="text")]
    with_it, without = case.draw(frames), case.draw(frames, controlnet="")
    assert [torch.equal(one, other) for one, other in zip(with_it, without, strict=True)] == [False, True, False, True]
