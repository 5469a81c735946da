"""Precision of the networks: eager torch computes in it with float32 timesteps, unsupported ones are refused."""

from pathlib import Path

import pytest
import torch

from pipeline.accelerators import eager, openvino, registry
from pipeline.accelerators.engines import Engines, Preparation, Shapes
from pipeline.accelerators.precision import TYPES, dtype_of, has_half_sums
from pipeline.denoiser import ConditioningRows
from pipeline.models import load_model
from presets.errors import AcceleratorUnavailable

SHAPES = Shapes(64, 64, (4, 8, 8), (12, 16), 2)


def built(folder: Path, precision: str) -> Engines:
    # A new model for each call, because networks are converted in place.
    return eager.build(load_model(folder), SHAPES, Preparation(lambda text, fraction: None, precision=precision))


@pytest.mark.parametrize("precision", ["float16", "bfloat16"])
def test_eager_in_half_precision(tiny_folder: Path, precision: str) -> None:
    plain, half = built(tiny_folder, ""), built(tiny_folder, precision)
    assert (plain.precision, half.precision) == ("float32", precision)
    generator = torch.Generator().manual_seed(2)
    latents, timesteps = torch.randn(1, 4, 8, 8, generator=generator), torch.tensor([750.0, 753.0])
    text = ConditioningRows(torch.randn(1, 12, 16, generator=generator).repeat(2, 1, 1))
    expected, found = (
        engines.denoiser(latents.repeat(2, 1, 1, 1), timesteps, text).clone() for engines in (plain, half)
    )
    assert found.dtype == torch.float32
    difference = (found - expected).norm() / expected.norm()
    assert 1e-6 < difference < 3e-2, "the precision differs, the network does not"
    assert not torch.equal(found[0], found[1]), "750 and 753 are equal in bfloat16, so the timesteps must be float32"
    pixels = torch.randint(0, 256, (1, 64, 64, 3), dtype=torch.uint8, generator=generator)
    latent = plain.encode(pixels).clone()
    assert (half.encode(pixels) - latent).norm() < 3e-2 * latent.norm()
    assert (half.decode(latent).int() - plain.decode(latent).int()).abs().float().mean() < 2


def test_unsupported_precision_is_refused(tiny_folder: Path) -> None:
    preparation = Preparation(lambda text, fraction: None, precision="float16")
    known = " or ".join(openvino.precisions())
    with pytest.raises(AcceleratorUnavailable, match=rf"OpenVINO can't compute in float16 here\. Choose {known}\."):
        openvino.build(load_model(tiny_folder), SHAPES, preparation)
    with pytest.raises(AcceleratorUnavailable, match="float12"):
        registry.build(
            "eager", load_model(tiny_folder), SHAPES, Preparation(lambda text, fraction: None, precision="float12")
        )


def test_sums_in_half_are_asked_for(tiny_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A setting of cuBLAS, which is there without a card. Another precision takes it back."""
    if not has_half_sums():
        pytest.skip("torch has it from 2.7 on")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(AcceleratorUnavailable, match=r"eager torch adds in float16 on an NVIDIA GPU only\."):
        built(tiny_folder, "float16_sums")
    products = torch.backends.cuda.matmul
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    try:
        for precision, on in (("float16_sums", True), ("float16", False), ("float16_sums", True), ("float32", False)):
            dtype_of(precision, tuple(TYPES), "CUDA")
            assert products.allow_fp16_accumulation is on
    finally:
        products.allow_fp16_accumulation = False
