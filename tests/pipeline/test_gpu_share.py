"""The share of a GPU: without one nothing changes; with one, what would take more fails as memory that is short."""

import pytest
import torch

from pipeline.gpu_share import keep_to_a_share


def test_without_a_gpu_nothing_is_done() -> None:
    keep_to_a_share(0.5)
    assert not torch.cuda.is_initialized()


@pytest.mark.gpu
def test_torch_takes_no_more_than_its_share_of_the_memory() -> None:
    before = torch.cuda.current_stream()
    try:
        keep_to_a_share(0.1)
        total = torch.cuda.get_device_properties(0).total_memory
        with pytest.raises(torch.OutOfMemoryError):
            torch.empty(total // 5, dtype=torch.uint8, device="cuda")
        assert torch.empty(total // 50, dtype=torch.uint8, device="cuda").numel()
        assert torch.cuda.current_stream() != torch.cuda.default_stream()
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)
        torch.cuda.set_stream(before)
