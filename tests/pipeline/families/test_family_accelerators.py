"""Every family on the accelerators that this machine has: encoder, denoiser and decoder equal those of eager torch."""

import pytest
import torch
from row_comparison import denoise, random_rows
from tiny_folders import FAMILIES, SIDE, write_family_folder

from pipeline.accelerators import eager, openvino, registry
from pipeline.accelerators.engines import Engines, Preparation, Shapes
from pipeline.models import Model, load_model
from pipeline.prepared_engines import model_shapes

TOLERANCE = 2e-3
"""Largest difference, relative to the largest value."""
ROWS = 3


@pytest.fixture(scope="module", params=[name for name in FAMILIES if name not in ("flux", "turbo")])
def model(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Model:
    return load_model(write_family_folder(request.param, tmp_path_factory.mktemp(request.param) / "model"))


@pytest.fixture(scope="module")
def shapes(model: Model) -> Shapes:
    return model_shapes(model, SIDE, SIDE, ROWS)


@pytest.fixture(scope="module")
def reference(model: Model, shapes: Shapes) -> Engines:
    return eager.build(model, shapes, Preparation(lambda text, fraction: None))


def inputs(shapes: Shapes) -> dict[str, torch.Tensor]:
    given = random_rows(shapes)
    if shapes.sees_source:
        given["latents"][1:2, shapes.latent[0] :] = 0.0  # a row without a source
    if "mask" in given:
        given["mask"] = (torch.arange(given["mask"].shape[1]) < torch.tensor([[7], [20], [3]])).float()
    if "guidance" in given:
        given["guidance"] = torch.tensor([4.5, 1.0, 7.0])
    return given


def relative(found: torch.Tensor, expected: torch.Tensor) -> float:
    return float((found - expected).abs().max() / expected.abs().max())


def compare(engines: Engines, reference: Engines, shapes: Shapes) -> None:
    """Check denoiser, encoder and decoder, after showing that each input of the denoiser has an effect."""
    given = inputs(shapes)
    expected = denoise(reference, given)
    for role in given:
        changed = given | {role: given[role].flip(0)}
        assert relative(denoise(reference, changed), expected) > 10 * TOLERANCE, f"{role} has no effect"
    assert relative(denoise(engines, given), expected) < TOLERANCE
    first = {role: part[:1] for role, part in given.items()}
    assert relative(denoise(engines, first), denoise(reference, first)) < TOLERANCE
    pixels = torch.randint(0, 256, (1, SIDE, SIDE, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(5))
    latent = reference.encode(pixels).clone()
    assert relative(engines.encode(pixels), latent) < TOLERANCE
    assert (engines.decode(latent).int() - reference.decode(latent).int()).abs().max() <= 1


def test_openvino_equals_eager(model: Model, shapes: Shapes, reference: Engines, preparation: Preparation) -> None:
    """`test_onnx` exports the network of every family, and `test_adapters_together` has SDXL on ONNX Runtime."""
    compare(registry.build("openvino", model, shapes, preparation).engines, reference, shapes)


def test_half_precision_splits_timesteps(model: Model) -> None:
    expected = openvino.precisions() if model.splits_timesteps else ("float32",)
    assert openvino.precisions(model) == expected
