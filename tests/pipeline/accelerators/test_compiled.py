"""torch.compile computes the same as eager torch and diffusers.

The models of both tests have the same attention block, so that torch compiles it once for this process.
"""

from pathlib import Path

import pytest
import torch
from test_source_networks import compare_with_diffusers, engines_of

from pipeline.accelerators import compiled, eager
from pipeline.accelerators.engines import Preparation, Shapes
from pipeline.denoiser import ConditioningRows
from pipeline.models import load_model

SHAPES = Shapes(64, 64, (4, 8, 8), (12, 16), 8)
PREPARATION = Preparation(lambda text, fraction: None, threads=1)
pytestmark = pytest.mark.timeout(300)


@pytest.fixture(autouse=True)
def _attention_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Compile fewer kinds of blocks, in a fraction of the time."""
    if reason := compiled.unavailable_reason():
        pytest.skip(f"torch.compile can't be used here: {reason}")
    monkeypatch.setattr(compiled, "EXTRA_BLOCKS", ())


def test_source_network_equals_diffusers(source_folder: Path, tmp_path: Path) -> None:
    compare_with_diffusers(engines_of("compile", source_folder, tmp_path), load_model(source_folder))


def test_compiled_equals_eager(tiny_folder: Path) -> None:
    reference = eager.build(load_model(tiny_folder), SHAPES, PREPARATION)
    engines = compiled.build(load_model(tiny_folder), SHAPES, PREPARATION)
    for size in (1, 5):
        generator = torch.Generator().manual_seed(size)
        rows = (torch.randn(size, 4, 8, 8, generator=generator), torch.linspace(1000, 3, size))
        text = torch.randn(size, 12, 16, generator=generator)
        expected = reference.denoiser(*rows, ConditioningRows(text)).clone()
        moved = reference.denoiser(*rows, ConditioningRows(text.flip(-1))) - expected
        assert moved.abs().max() > 100 * 1e-4
        torch.testing.assert_close(engines.denoiser(*rows, ConditioningRows(text)), expected, rtol=0, atol=1e-4)
