"""Torch on a GPU, as far as it goes without one: the same networks on the processor, and the refusal of MPS."""

import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from pipeline.accelerators import eager, registry
from pipeline.accelerators.engines import Preparation, Shapes
from pipeline.accelerators.torch_gpu import CUDA, MPS, TorchGpu
from pipeline.denoiser import ConditioningRows
from pipeline.models import load_model
from pipeline.pinned_ring import PinnedRing
from presets.errors import AcceleratorUnavailable

SHAPES = Shapes(64, 64, (4, 8, 8), (12, 16), 4)


def preparation(precision: str = "") -> Preparation:
    return Preparation(lambda text, fraction: None, threads=1, precision=precision)


@pytest.mark.parametrize("gpu", [CUDA, MPS], ids=lambda gpu: gpu.device.type)
def test_networks_match_eager(tiny_folder: Path, gpu: TorchGpu, one_thread: None) -> None:
    reference = eager.build(load_model(tiny_folder), SHAPES, preparation())
    engines = gpu._replace(device=torch.device("cpu")).build(load_model(tiny_folder), SHAPES, preparation("float32"))
    generator = torch.Generator().manual_seed(0)
    latents, texts = torch.randn(3, 4, 8, 8, generator=generator), torch.randn(3, 12, 16, generator=generator)
    rows = latents, torch.tensor([900.0, 500.0, 30.0]), ConditioningRows(texts)
    torch.testing.assert_close(engines.denoiser(*rows), reference.denoiser(*rows), rtol=0, atol=1e-5)
    pixels = torch.randint(0, 256, (1, 64, 64, 3), dtype=torch.uint8, generator=generator)
    latent = reference.encode(pixels)
    torch.testing.assert_close(engines.encode(pixels), latent, rtol=0, atol=1e-4)
    difference = np.abs(engines.decode(latent).numpy().astype(int) - reference.decode(latent).numpy())
    assert difference.max() <= 1


def test_default_precision_is_half(tiny_folder: Path) -> None:
    engines = MPS._replace(device=torch.device("cpu")).build(load_model(tiny_folder), SHAPES, preparation())
    assert engines.precision == "float16"


@pytest.mark.skipif(sys.platform == "darwin", reason="a Mac may have it")
def test_mps_is_refused_elsewhere() -> None:
    with pytest.raises(AcceleratorUnavailable, match=r"it runs on macOS only\. Use accelerator openvino or eager"):
        registry.choose("mps")


@pytest.mark.skipif(not torch.backends.mps.is_available(), reason="torch sees no Metal GPU")
def test_mps_draws_as_eager_does(tiny_folder: Path) -> None:
    reference = eager.build(load_model(tiny_folder), SHAPES, preparation())
    engines = MPS.build(load_model(tiny_folder), SHAPES, preparation("float32"))
    latents, texts = torch.randn(2, 4, 8, 8), torch.randn(2, 12, 16)
    times = torch.tensor([900.0, 30.0])
    drawn = engines.denoiser(latents.to("mps"), times.to("mps"), ConditioningRows(texts.to("mps")))
    expected = reference.denoiser(latents, times, ConditioningRows(texts))
    torch.testing.assert_close(drawn.cpu(), expected, rtol=0, atol=1e-3)


def test_only_pinned_copies_are_asynchronous() -> None:
    # A Metal GPU would still read plain memory that the host writes again.
    assert not PinnedRing(2, (4,), torch.float32, torch.device("mps")).is_pinned
