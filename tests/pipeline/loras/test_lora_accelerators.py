"""LoRAs on compiled networks: rows of one batch with weights of their own equal eager torch, from one compilation."""

from pathlib import Path

import pytest
import torch
from lora_files import branches, in_diffusers_names, in_kohya_names, write
from row_comparison import assert_equal_rows, denoise, effect, random_rows
from tiny_folders import SIDE, write_family_folder

from pipeline.accelerators import compiled, eager, registry
from pipeline.accelerators.engines import Preparation
from pipeline.models import Model, load_model
from pipeline.prepared_engines import model_shapes

WEIGHTS = torch.tensor([[0.0, 0.0], [1.0, -0.5], [-2.0, 1.5]])
"""Weights of the two LoRAs in each row."""


def model_with_loras(family: str, folder: Path) -> Model:
    plain = load_model(write_family_folder(family, folder / "model"))
    networks = {"unet": plain.read_network("unet")}
    files = (
        write(folder / "one.safetensors", in_kohya_names(branches(networks, seed=1, size=0.6))),
        write(folder / "two.safetensors", in_diffusers_names(branches(networks, seed=2, size=0.6, rank=2))),
    )
    return load_model(plain.folder, [str(file) for file in files])


@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    ("accelerator", "family"),
    [("openvino", "stable-diffusion"), ("onnxruntime", "sdxl"), ("compile", "stable-diffusion")],
)
def test_rows_with_weights_equal_eager(
    accelerator: str, family: str, tmp_path: Path, preparation: Preparation, monkeypatch: pytest.MonkeyPatch
) -> None:
    if accelerator == "compile" and (reason := compiled.unavailable_reason()):
        pytest.skip(f"torch.compile can't be used here: {reason}")
    monkeypatch.setattr(compiled, "EXTRA_BLOCKS", ())  # fewer kinds of blocks, in a fraction of the time
    model = model_with_loras(family, tmp_path)
    shapes = model_shapes(model, SIDE, SIDE, 3)
    reference = eager.build(model, shapes, preparation)
    engines = registry.build(accelerator, model, shapes, preparation).engines
    for weights in (WEIGHTS, WEIGHTS.flip(0)):
        rows = random_rows(shapes, loras=weights)
        expected = denoise(reference, rows)
        for row, column in ((1, 0), (1, 1), (2, 0)):
            changed = weights.clone()
            changed[row, column] += 1.0
            assert effect(reference, rows, loras=changed)[row], "a LoRA has no effect"
            moved = (denoise(reference, rows | {"loras": changed}) - expected).abs().amax((1, 2, 3))
            assert moved.sum() == moved[row], "a weight acts on another row"
        assert_equal_rows(engines, reference, rows)
