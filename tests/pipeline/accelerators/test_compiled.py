"""torch.compile computes the same as eager torch and diffusers.

All models have the same attention block, so that torch compiles it once for this process.
"""

from pathlib import Path

import pytest
import torch
import torch._dynamo.config
from lora_files import write_two
from row_comparison import assert_equal_weights_of_loras
from test_source_networks import compare_with_diffusers, engines_of

from pipeline.accelerators import compiled, eager
from pipeline.accelerators.engines import Preparation, Shapes
from pipeline.denoiser import ConditioningRows
from pipeline.models import load_model
from pipeline.prepared_engines import model_shapes

SHAPES = Shapes(64, 64, (4, 8, 8), (12, 16), 8)
PREPARATION = Preparation(lambda text, fraction: None, threads=1)
BLOCK = "down_blocks.0.attentions.0.transformer_blocks.0"
LORA_LAYERS = (
    "down_blocks.0.attentions.0.proj_in",
    *(f"{BLOCK}.{layer}" for layer in ("attn1.to_q", "attn2.to_k", "attn2.to_v", "attn2.to_out.0", "ff.net.0.proj")),
    "mid_block.resnets.0.conv1",
    "mid_block.resnets.0.time_emb_proj",
)
"""Layers of the model that sees its source, in one attention block and around it."""
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


def test_rows_with_loras_equal_eager(
    source_folder: Path, tmp_path: Path, preparation: Preparation, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is compiled during a show: batches larger than those of the build take what the build compiled."""
    model = load_model(source_folder, write_two(tmp_path, load_model(source_folder).read_network("unet"), LORA_LAYERS))
    shapes = model_shapes(model, 64, 64, 3)
    reference, engines = (each.build(model, shapes, preparation) for each in (eager, compiled))
    monkeypatch.setattr(torch._dynamo.config, "error_on_recompile", True)
    assert_equal_weights_of_loras(engines, reference, shapes)
