"""Control pictures of depth equal those of transformers' own image processor and network."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from controlnet_folders import picture, write_controlnet
from numpy.typing import NDArray
from PIL import Image
from tiny_depth_model import SETTINGS as PUBLISHED
from tiny_depth_model import write_depth_model
from tiny_folders import SIDE, write_family_folder

from pipeline.controlnet.control_pictures import ControlPictures
from pipeline.controlnet.depth_folder import open_depth_model
from pipeline.controlnet.depth_maps import DepthMaps
from pipeline.models import load_model
from presets.parameters import Parameters

CPU = torch.device("cpu")
LEVEL = 1 / 255
WIDE = (112, 64)


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_depth_model(tmp_path_factory.mktemp("published") / "depth")


@pytest.fixture(scope="module")
def network(published: Path) -> Any:
    from transformers import AutoModelForDepthEstimation

    return AutoModelForDepthEstimation.from_pretrained(published).eval()


def expected_depth(network: Any, values: torch.Tensor, shape: tuple[int, ...]) -> torch.Tensor:
    """Return the depth of a prepared picture by transformers' documented recipe, 0 to 1.

    The last steps are ``post_process_depth_estimation``, which only the image processor for torchvision has, and those
    of ``DepthEstimationPipeline``.
    """
    with torch.no_grad():
        found = network(values).predicted_depth
    depth = torch.nn.functional.interpolate(found.unsqueeze(1), size=shape, mode="bicubic", align_corners=False)
    return ((depth - depth.min()) / (depth.max() - depth.min()))[0, 0]


def made(folder: Path, pixels: NDArray[np.uint8]) -> torch.Tensor:
    height, width, _ = pixels.shape
    pictures = ControlPictures(width, height, CPU, open_depth_model(str(folder)))
    return pictures.make(pixels, "depth", Parameters()).clone()


SETTINGS: dict[str, dict[str, Any]] = {
    "published": {},
    "stretched": {"keep_aspect_ratio": False},
    "small": {"size": {"height": 42, "width": 84}},
    "coarse": {"ensure_multiple_of": 28},
}


@pytest.mark.parametrize("settings", SETTINGS)
@pytest.mark.parametrize("shape", [(SIDE, SIDE), WIDE, WIDE[::-1]], ids=["square", "wide", "tall"])
def test_depth_equals_transformers(
    settings: str, shape: tuple[int, int], published: Path, network: Any, tmp_path: Path
) -> None:
    from transformers import AutoImageProcessor

    folder = Path(shutil.copytree(published, tmp_path / "depth"))
    (folder / "preprocessor_config.json").write_text(json.dumps(PUBLISHED | SETTINGS[settings]))
    processor, depths = AutoImageProcessor.from_pretrained(folder), list[torch.Tensor]()
    for number in (1, 4):
        pixels = np.array(Image.fromarray(picture(number)).resize(shape))
        expected = processor(images=Image.fromarray(pixels), return_tensors="pt").pixel_values
        prepared = DepthMaps(open_depth_model(str(folder)), CPU).prepare(torch.from_numpy(pixels))
        assert prepared.shape == expected.shape
        levels = (prepared - expected).abs() * torch.tensor(processor.image_std).view(3, 1, 1) / LEVEL
        assert levels.max() < 1.001, "Pillow rounds after each direction, so that some colours differ by one level"
        assert levels.mean() < 0.05
        depths.append(expected_depth(network, expected, pixels.shape[:2]))
        for channel in (found := made(folder, pixels)):
            torch.testing.assert_close(channel, expected_depth(network, prepared, pixels.shape[:2]), atol=1e-5, rtol=0)
            assert (channel - depths[-1]).abs().mean() < 4 * LEVEL, "one level of a colour changes little"
        assert found.dtype == torch.float32
        assert (found.min(), found.max()) == (0.0, 1.0)
    assert (depths[0] - depths[1]).abs().mean() > 20 * LEVEL, "the network sees no picture"


def test_picture_of_the_read_size_is_exact(published: Path, network: Any) -> None:
    """Nothing is resized, so that the whole recipe is the same."""
    from transformers import AutoImageProcessor

    processor = AutoImageProcessor.from_pretrained(published)
    for shape in ((70, 70), (126, 70), (70, 112)):
        pixels = np.array(Image.fromarray(picture(2)).resize(shape))
        values = processor(images=Image.fromarray(pixels), return_tensors="pt").pixel_values
        expected = expected_depth(network, values, pixels.shape[:2])
        torch.testing.assert_close(made(published, pixels)[0], expected, atol=1e-5, rtol=0)


def test_flat_depth_is_black(published: Path, tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    file = shutil.copytree(published, tmp_path / "depth") / "model.safetensors"
    tensors = load_file(file)
    save_file(tensors | {"head.conv3.weight": torch.zeros_like(tensors["head.conv3.weight"])}, file, {"format": "pt"})
    assert not made(file.parent, picture(1)).any()


def test_networks_are_shared(published: Path, tmp_path: Path) -> None:
    """Engines that are measured beside those that play have control pictures of their own."""
    model = write_family_folder("stable-diffusion", tmp_path / "model")
    net = write_controlnet(model, tmp_path / "net")
    loaded = [load_model(model, controlnet=str(net), depth_model=str(published)) for _ in range(2)]
    assert loaded[0].adapters.depth is not None
    pictures = [ControlPictures(SIDE, SIDE, CPU, each.adapters.depth) for each in loaded]
    networks = [each._depth._network for each in pictures if each._depth]
    assert networks[0] is networks[1]
    assert load_model(model, controlnet=str(net)).adapters.depth is None
    assert load_model(model, depth_model="/no/model").adapters.depth is None, "nothing needs one"
