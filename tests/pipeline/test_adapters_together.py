"""Two LoRAs, a ControlNet and an IP-Adapter on one network of ONNX Runtime: SDXL, exported once for all inputs."""

from pathlib import Path

import pytest
import torch
from controlnet_folders import write_controlnet
from lora_files import write_two
from row_comparison import TOLERANCE, Rows, assert_equal_rows, assert_equal_weights_of_loras, effect, random_rows
from tiny_folders import SIDE, write_family_folder

from pipeline.accelerators import eager, registry
from pipeline.accelerators.engines import Engines, Preparation, Shapes
from pipeline.models import Model, load_model
from pipeline.prepared_engines import model_shapes
from tests.pipeline.ip_adapter.ip_adapter_files import write_ip_adapter

WEIGHTS = torch.tensor([[0.0, 0.0], [1.0, -0.5], [-2.0, 1.5]])
"""Weights of the two LoRAs in each row."""
SCALES = torch.tensor([[0.0], [1.0], [0.4]])
"""Scales of ControlNet and IP-Adapter in each row."""


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Model:
    folder = tmp_path_factory.mktemp("together")
    plain = load_model(write_family_folder("sdxl", folder / "model"))
    loras = write_two(folder, plain.read_network("unet"))
    controlnet, adapter = write_controlnet(plain.folder, folder / "edges"), write_ip_adapter(plain.folder, folder)
    return load_model(plain.folder, loras, str(controlnet), (str(adapter), ""))


@pytest.fixture(scope="module")
def shapes(model: Model) -> Shapes:
    return model_shapes(model, SIDE, SIDE, 3)


@pytest.fixture(scope="module")
def reference(model: Model, shapes: Shapes) -> Engines:
    return eager.build(model, shapes, Preparation(lambda text, fraction: None))


@pytest.fixture(scope="module")
def engines(model: Model, shapes: Shapes, shared_cache: Path) -> Engines:
    preparation = Preparation(
        lambda text, fraction: None, threads=1, cache=shared_cache, precision="float32", sizes=(1, 3)
    )
    return registry.build("onnxruntime", model, shapes, preparation).engines


def mixed_rows(shapes: Shapes, **given: torch.Tensor) -> Rows:
    """Return rows in which each adapter plays, with `given` in place of some inputs."""
    return random_rows(shapes, loras=WEIGHTS, control_scale=SCALES, image_scale=SCALES.roll(1, 0)) | given


def test_every_input_is_heard(shapes: Shapes, reference: Engines) -> None:
    rows = mixed_rows(shapes)
    for name in rows:
        assert any(effect(reference, rows, **{name: rows[name].flip(0)})), f"{name} has no effect"


def test_loras_beside_the_others(shapes: Shapes, reference: Engines, engines: Engines) -> None:
    assert_equal_weights_of_loras(engines, reference, shapes)


def test_controlnet_beside_the_others(shapes: Shapes, reference: Engines, engines: Engines) -> None:
    pictures = random_rows(shapes)["control_picture"].sigmoid()
    rows = mixed_rows(shapes, control_picture=pictures, image_scale=torch.zeros(3, 1))
    moved = effect(reference, rows, control_picture=pictures.roll(1, 0))
    assert moved == [False, True, True], "the row of scale 0 sees no picture"
    others = SCALES + torch.tensor([[0.0], [0.5], [0.0]])
    assert effect(reference, rows, control_scale=others) == [False, True, False]
    assert effect(reference, rows, loras=WEIGHTS + torch.tensor([[3.0, 0.0], [0.0, 0.0], [0.0, 0.0]]))[0]
    assert_equal_rows(engines, reference, rows)


def test_ip_adapter_beside_the_others(shapes: Shapes, reference: Engines, engines: Engines) -> None:
    rows = mixed_rows(shapes, control_scale=torch.zeros(3, 1), image_scale=SCALES, loras=torch.zeros(3, 2))
    tokens, scales = torch.ones_like(rows["image_tokens"]), SCALES + torch.tensor([[0.0], [1.0], [0.0]])
    assert effect(reference, rows, image_tokens=tokens) == [False, True, True]
    assert effect(reference, rows, image_scale=scales) == [False, True, False]
    assert_equal_rows(engines, reference, rows)


def test_autoencoder_equals_eager(reference: Engines, engines: Engines) -> None:
    pixels = torch.randint(0, 256, (1, SIDE, SIDE, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(5))
    latent = reference.encode(pixels).clone()
    assert (engines.encode(pixels) - latent).abs().max() / latent.abs().max() < TOLERANCE
    assert (engines.decode(latent).int() - reference.decode(latent).int()).abs().max() <= 1
