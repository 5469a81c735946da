"""Attention kernels: each computes the same function, and an unavailable one is refused with the reason."""

from pathlib import Path

import pytest
import torch
from diffusers import ZImageTransformer2DModel
from torch.nn.attention import SDPBackend, sdpa_kernel

from pipeline.accelerators import registry
from pipeline.accelerators.attention import NAMES, with_attention
from pipeline.accelerators.engines import Engines, Preparation, Shapes
from pipeline.denoiser import ConditioningRows
from pipeline.models import load_model
from presets.errors import AcceleratorUnavailable
from presets.parameters import Parameters

SHAPES = Shapes(64, 64, (4, 8, 8), (12, 16), 4)


def engines(folder: Path, attention: str, accelerator: str = "eager") -> Engines:
    preparation = Preparation(lambda text, fraction: None, threads=1, attention=attention)
    return registry.build(accelerator, load_model(folder), SHAPES, preparation).engines


def test_flash_equals_sdpa(tiny_folder: Path) -> None:
    rows = torch.randn(3, 4, 8, 8), torch.tensor([999.0, 500.0, 3.0])
    text = torch.randn(3, 12, 16)
    sdpa = engines(tiny_folder, "sdpa").denoiser
    expected = sdpa(*rows, ConditioningRows(text))
    assert (sdpa(*rows, ConditioningRows(text.flip(-1))) - expected).abs().max() > 100 * 1e-4
    flash = engines(tiny_folder, "flash").denoiser
    torch.testing.assert_close(flash(*rows, ConditioningRows(text)), expected, rtol=0, atol=1e-4)


def test_flash_never_falls_back() -> None:
    class RecordsKernels(torch.nn.Module):
        def forward(self, tensor: torch.Tensor) -> torch.Tensor:
            assert torch.backends.cuda.flash_sdp_enabled()
            assert not torch.backends.cuda.math_sdp_enabled()
            return tensor

    device = torch.device("cpu")
    with_attention(RecordsKernels(), "flash", torch.float32, device)(torch.zeros(1))
    with sdpa_kernel(SDPBackend.MATH), pytest.raises(AcceleratorUnavailable, match="can't compute in torch"):
        with_attention(RecordsKernels(), "flash", torch.int64, device)


def test_unavailable_attention_is_refused(tiny_folder: Path) -> None:
    with pytest.raises(AcceleratorUnavailable, match=r"xformers .*use attention sdpa"):
        engines(tiny_folder, "xformers")
    with pytest.raises(AcceleratorUnavailable, match=r"no attention 'more'\. Choose one of sdpa, flash, xformers"):
        engines(tiny_folder, "more")
    with pytest.raises(
        AcceleratorUnavailable, match=r"OpenVINO has an attention of its own; .* eager, compile, cuda_g"
    ):
        engines(tiny_folder, "flash", "openvino")


def test_xformers_is_refused_for_transformers() -> None:
    with torch.device("meta"):
        network = ZImageTransformer2DModel(n_layers=1, n_refiner_layers=1)
    with pytest.raises(AcceleratorUnavailable, match="the attention of UNets only"):
        with_attention(network, "xformers", torch.float32, torch.device("cpu"))


def test_parameter_offers_all_kernels() -> None:
    assert set(Parameters.model_json_schema()["properties"]["attention"]["enum"]) == set(NAMES)
