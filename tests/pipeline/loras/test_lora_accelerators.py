"""LoRAs on compiled networks: rows of one batch with weights of their own equal eager torch, from one compilation."""

from pathlib import Path

import pytest
import torch
from lora_files import branches, in_diffusers_names, in_kohya_names, write
from tiny_folders import SIDE, write_family_folder

from pipeline.accelerators import compiled, eager, registry
from pipeline.accelerators.engines import Engines, Preparation, Shapes
from pipeline.denoiser import ConditioningRows
from pipeline.models import Model, load_model
from pipeline.prepared_engines import model_shapes

TOLERANCE = 1e-3
"""Largest difference, relative to the largest value."""
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


@pytest.fixture
def preparation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Preparation:
    monkeypatch.setattr(torch, "set_num_threads", lambda count: None)  # a setting of the whole process
    return Preparation(lambda text, fraction: None, threads=1, cache=tmp_path, precision="float32", sizes=(1, 3))


def denoise(engines: Engines, shapes: Shapes, weights: torch.Tensor, rows: slice = slice(None)) -> torch.Tensor:
    """Return the output of rows that differ in every input, for these weights."""
    generator = torch.Generator().manual_seed(4)
    given = {name: torch.randn(3, *shape, generator=generator) for name, shape in shapes.row_inputs.items()}
    given |= {"timesteps": torch.tensor([900.0, 500.0, 20.0]), "loras": weights}
    latents, timesteps = given.pop("latents")[rows], given.pop("timesteps")[rows]
    texts = ConditioningRows.of({name: part[rows] for name, part in given.items()})
    return engines.denoiser(latents, timesteps, texts).clone()


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
        expected = denoise(reference, shapes, weights)
        scale = float(expected.abs().max())
        for row, column in ((1, 0), (1, 1), (2, 0)):
            changed = weights.clone()
            changed[row, column] += 1.0
            moved = (denoise(reference, shapes, changed) - expected).abs().amax((1, 2, 3)) / scale
            assert moved[row] > 30 * TOLERANCE, "a LoRA has no effect"
            assert moved.sum() == moved[row], "a weight acts on another row"
        found = denoise(engines, shapes, weights)
        assert float((found - expected).abs().max()) / scale < TOLERANCE
        for row in range(3):
            alone = denoise(engines, shapes, weights, slice(row, row + 1))
            assert float((alone - expected[row]).abs().max()) / scale < TOLERANCE
