"""ControlNets on compiled networks: rows of one batch with pictures and scales of their own equal eager torch, from one
compilation, beside a LoRA too."""

from pathlib import Path

import pytest
import torch
from controlnet_folders import write_controlnet
from safetensors.torch import save_file
from tiny_folders import SIDE, write_family_folder

from pipeline.accelerators import eager, registry
from pipeline.accelerators.engines import Engines, Preparation, Shapes
from pipeline.denoiser import ConditioningRows
from pipeline.models import Model, load_model
from pipeline.prepared_engines import model_shapes

TOLERANCE = 1e-3
"""Largest difference, relative to the largest value."""
SCALES = torch.tensor([[0.0], [1.0], [0.4]])


def controlled_model(family: str, folder: Path, lora: bool) -> Model:
    model = write_family_folder(family, folder / "model")
    loras = []
    if lora:
        generator = torch.Generator().manual_seed(3)
        down, up = torch.randn(2, 16, 3, 3, generator=generator), torch.randn(4, 2, 1, 1, generator=generator)
        save_file({"unet.conv_out.lora_A.weight": down, "unet.conv_out.lora_B.weight": up}, folder / "a.safetensors")
        loras = [str(folder / "a.safetensors")]
    return load_model(model, loras, str(write_controlnet(model, folder / "edges")))


@pytest.fixture
def preparation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Preparation:
    monkeypatch.setattr(torch, "set_num_threads", lambda count: None)  # a setting of the whole process
    return Preparation(lambda text, fraction: None, threads=1, cache=tmp_path, precision="float32", sizes=(1, 3))


def denoise(
    engines: Engines, shapes: Shapes, rows: slice = slice(None), roll: int = 0, **given: torch.Tensor
) -> torch.Tensor:
    """Return the output of rows that differ in every input, with control pictures of other rows after a `roll`."""
    generator = torch.Generator().manual_seed(4)
    inputs = {name: torch.randn(3, *shape, generator=generator) for name, shape in shapes.row_inputs.items()}
    inputs["timesteps"] = torch.tensor([900.0, 500.0, 20.0])
    inputs["control_picture"] = inputs["control_picture"].sigmoid().roll(roll, 0)
    inputs |= given
    latents, timesteps = inputs.pop("latents")[rows], inputs.pop("timesteps")[rows]
    texts = ConditioningRows.of({name: part[rows] for name, part in inputs.items()})
    return engines.denoiser(latents, timesteps, texts).clone()


@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    ("accelerator", "family", "lora"),
    [("openvino", "stable-diffusion", True), ("onnxruntime", "stable-diffusion", False), ("onnxruntime", "sdxl", True)],
)
def test_controlled_rows_equal_eager(
    accelerator: str, family: str, lora: bool, tmp_path: Path, preparation: Preparation
) -> None:
    model = controlled_model(family, tmp_path, lora)
    shapes = model_shapes(model, SIDE, SIDE, 3)
    reference = eager.build(model, shapes, preparation)
    engines = registry.build(accelerator, model, shapes, preparation).engines
    expected = denoise(reference, shapes, control_scale=SCALES)
    size = float(expected.abs().max())

    def effect(**changed: torch.Tensor | int) -> list[bool]:
        moved = denoise(reference, shapes, **({"control_scale": SCALES} | changed)) - expected  # type: ignore[arg-type]
        return [float(row) > 30 * TOLERANCE for row in moved.abs().amax((1, 2, 3)) / size]

    assert effect(roll=1) == [False, True, True], "the row of scale 0 sees no picture"
    assert effect(control_scale=SCALES + torch.tensor([[0.0], [0.5], [0.0]])) == [False, True, False]
    if lora:
        assert effect(loras=torch.tensor([[3.0], [0.0], [0.0]]))[0]
    found = denoise(engines, shapes, control_scale=SCALES)
    assert float((found - expected).abs().max()) / size < TOLERANCE
    for row in range(3):
        alone = denoise(engines, shapes, slice(row, row + 1), control_scale=SCALES)
        assert float((alone - expected[row]).abs().max()) / size < TOLERANCE
