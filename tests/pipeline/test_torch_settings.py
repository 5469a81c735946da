"""Process-wide settings of torch: TF32 is off once a network is loaded, and a GPU share limits torch's memory."""

from pathlib import Path

import pytest
import torch

from pipeline.models import load_model
from pipeline.torch_settings import disable_tf32, limit_gpu_share, prefer_network, time_convolutions


def test_loading_a_network_disables_tf32(tiny_folder: Path) -> None:
    before = torch.get_float32_matmul_precision(), torch.backends.cudnn.allow_tf32
    try:
        torch.set_float32_matmul_precision("high")
        torch.backends.cudnn.allow_tf32 = True
        model = load_model(tiny_folder)
        assert torch.backends.cudnn.allow_tf32, "checking a folder changes nothing"
        assert model.autoencoder
        assert torch.get_float32_matmul_precision() == "highest"
        assert not torch.backends.cuda.matmul.allow_tf32
        assert not torch.backends.cudnn.allow_tf32
    finally:
        torch.set_float32_matmul_precision(before[0])
        torch.backends.cudnn.allow_tf32 = before[1]


@pytest.mark.gpu
def test_gpu_computes_float32_without_tf32() -> None:
    disable_tf32()
    generator = torch.Generator().manual_seed(0)
    images, weights = torch.randn(1, 64, 32, 32, generator=generator), torch.randn(64, 64, 3, 3, generator=generator)
    matrix = torch.randn(512, 512, generator=generator)
    exact = torch.nn.functional.conv2d(images.double(), weights.double()), matrix.double() @ matrix.double()
    found = torch.nn.functional.conv2d(images.cuda(), weights.cuda()), matrix.cuda() @ matrix.cuda()
    for one, other in zip(exact, found, strict=True):  # TF32 would give a relative error of 1e-4 or more
        assert (one - other.double().cpu()).norm() / one.norm() < 2e-5


def test_live_shows_time_convolutions(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.backends.cudnn, "benchmark", False)
    time_convolutions()
    assert torch.backends.cudnn.benchmark


def test_gpu_share_without_a_gpu() -> None:
    limit_gpu_share(0.5)
    prefer_network()
    assert not torch.cuda.is_initialized()


@pytest.mark.gpu
def test_gpu_share_limits_memory() -> None:
    before = torch.cuda.current_stream()
    try:
        limit_gpu_share(0.1)
        total = torch.cuda.get_device_properties(0).total_memory
        with pytest.raises(torch.OutOfMemoryError):
            torch.empty(total // 5, dtype=torch.uint8, device="cuda")
        assert torch.empty(total // 50, dtype=torch.uint8, device="cuda").numel()
        assert torch.cuda.current_stream() != torch.cuda.default_stream()
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)
        torch.cuda.set_stream(before)
