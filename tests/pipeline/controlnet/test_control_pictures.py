"""Control pictures are made of the frame as it came, by the preprocessor of the build."""

from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from controlnet_folders import picture
from tiny_folders import SIDE

from pipeline.controlnet.control_pictures import ControlPictures
from pipeline.controlnet.controlled_unet import PICTURE
from pipeline.feedback import Feedback
from pipeline.picture_entry import PictureEntries
from presets.build import Build
from presets.parameters import Parameters

CPU = torch.device("cpu")


@pytest.mark.parametrize(("low", "high"), [(100.0, 200.0), (20.5, 60.0), (200.0, 50.0)])
def test_edges_equal_opencv(low: float, high: float) -> None:
    pixels = picture(0)
    made = ControlPictures(SIDE, SIDE, CPU).make(pixels, "canny", Parameters(canny_low=low, canny_high=high))
    expected = cv2.Canny(pixels, low, high)
    assert 0 < np.count_nonzero(expected) < expected.size
    assert made.dtype == torch.float32
    for channel in made:
        assert np.array_equal(channel.numpy() * 255, expected)


def test_picture_itself_equals_diffusers() -> None:
    from diffusers.image_processor import VaeImageProcessor
    from PIL import Image

    processor = VaeImageProcessor(do_convert_rgb=True, do_normalize=False)
    expected = processor.preprocess(Image.fromarray(picture(1)), height=SIDE, width=SIDE)[0]
    for preprocessor in ("none", "tile"):
        made = ControlPictures(SIDE, SIDE, CPU).make(picture(1), preprocessor, Parameters())
        assert torch.equal(made, expected)


def test_frame_as_it_came_is_taken() -> None:
    """Not the mix with feedback, and not the preprocessor that a message asks the next renderer for."""

    class Encoding:
        sees_source = False
        control: ControlPictures | None = ControlPictures(SIDE, SIDE, CPU)
        engines: Any = SimpleNamespace(encode=lambda pixels: pixels.permute(0, 3, 1, 2).float(), device=CPU)

    feedback, encoding = Feedback(SIDE, SIDE), Encoding()
    feedback.remember(picture(5), 0)
    entries = PictureEntries(Build(width=SIDE, height=SIDE, controlnet="/nets/tile"), feedback)
    values = {"feedback": 0.5, "strength": 0.5, "controlnet_preprocessor": "canny"}
    entry = entries.read(picture(1), Parameters.model_validate(values), encoding)  # type: ignore[arg-type]
    expected = torch.from_numpy(picture(1)).permute(2, 0, 1) / 255
    assert entry.latent is not None
    assert (entry.latent / 255 - expected).abs().max() > 0.1, "there is no feedback"
    assert torch.equal(entry.tensors[PICTURE], expected)
    for changed in ({"controlnet_scale": 0.0}, {"mode": "text"}):
        parameters = Parameters.model_validate(values | changed)
        assert entries.read(picture(1), parameters, encoding).tensors == {}  # type: ignore[arg-type]
    assert entries.read(None, Parameters.model_validate(values), encoding).tensors == {}  # type: ignore[arg-type]
