"""Kinds of a renderer's own failures. The remedy of each decides what the stage does next."""

import numpy as np
import pytest
import torch

from daemon.renderer.__main__ import _kind, _out_of_memory, computes_on_processor
from presets.build import Build
from presets.errors import AcceleratorUnavailable, MemoryShort, ModelError, RendererError, StreamError, StreamflowError

TOO_MUCH = 2**56


@pytest.mark.parametrize("take", [np.empty, torch.empty], ids=["numpy", "torch"])
def test_memory_errors_are_known(take: object) -> None:
    with pytest.raises((MemoryError, RuntimeError)) as caught:
        take(TOO_MUCH)  # type: ignore[operator]
    assert _out_of_memory(caught.value)


def test_gpu_memory_errors_are_known() -> None:
    assert _out_of_memory(torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB."))
    with pytest.raises(RuntimeError) as caught:
        torch.ones(2) @ torch.ones(3)
    assert not _out_of_memory(caught.value)


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (AcceleratorUnavailable("no GPU"), "accelerator"),
        (ModelError("no folder"), "look"),
        (StreamError("no such size"), "look"),
        (MemoryShort("8 GB are wanted"), "memory"),
        (RendererError("anything"), "other"),
    ],
)
def test_cure_of_each_failure(error: StreamflowError, kind: str) -> None:
    assert _kind(error) == kind


@pytest.mark.parametrize(
    ("accelerator", "has_gpu", "lowered"),
    [
        ("auto", False, True),
        ("auto", True, False),
        ("cuda_graphs", True, False),
        ("openvino", True, True),
        ("eager", False, True),
        ("mps", False, False),
    ],
)
def test_priority_is_kept_on_a_gpu(
    accelerator: str, has_gpu: bool, lowered: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("daemon.renderer.__main__.torch_has_gpu", lambda: has_gpu)
    assert computes_on_processor(Build().with_accelerator(accelerator)) == lowered
