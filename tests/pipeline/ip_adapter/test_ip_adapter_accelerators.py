"""IP-Adapters on compiled networks: rows of one batch with images and scales of their own equal eager torch, from one
compilation, beside a LoRA and a ControlNet too."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from ip_adapter_files import write_ip_adapter
from safetensors.torch import save_file
from tiny_folders import SIDE, scale_weights, write_family_folder

from pipeline.accelerators import eager, registry
from pipeline.accelerators.engines import Engines, Preparation, Shapes
from pipeline.denoiser import ConditioningRows
from pipeline.models import Model, load_model
from pipeline.prepared_engines import model_shapes
from presets.errors import AcceleratorUnavailable

TOLERANCE = 1e-3
"""Largest difference, relative to the largest value."""
SCALES = torch.tensor([[0.0], [1.0], [0.4]])


def model_with_adapters(family: str, folder: Path, others: bool) -> Model:
    model = write_family_folder(family, folder / "model")
    file = write_ip_adapter(model, folder)
    if not others:
        return load_model(model, ip_adapter=(str(file), ""))
    from diffusers import ControlNetModel

    unet, generator = load_model(model).read_network("unet"), torch.Generator().manual_seed(3)
    controlnet = ControlNetModel.from_unet(unet, conditioning_embedding_out_channels=(4, 4, 8, 8))
    with torch.no_grad():
        for weight in controlnet.parameters():
            weight.add_(0.05 * torch.randn(weight.shape, generator=generator))
    scale_weights(controlnet, ["controlnet_cond_embedding"], 3.0)
    controlnet.save_pretrained(folder / "net")
    down, up = torch.randn(2, 16, generator=generator), torch.randn(32, 2, generator=generator)
    layer = "unet.mid_block.attentions.0.transformer_blocks.0.attn2.to_k"
    save_file({f"{layer}.lora_A.weight": down, f"{layer}.lora_B.weight": up}, folder / "a.safetensors")
    return load_model(model, [str(folder / "a.safetensors")], str(folder / "net"), (str(file), ""))


@pytest.fixture
def preparation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Preparation:
    monkeypatch.setattr(torch, "set_num_threads", lambda count: None)  # a setting of the whole process
    return Preparation(lambda text, fraction: None, threads=1, cache=tmp_path, precision="float32", sizes=(1, 3))


def denoise(engines: Engines, shapes: Shapes, rows: slice = slice(None), **given: torch.Tensor) -> torch.Tensor:
    """Return the output of rows that differ in every input."""
    generator = torch.Generator().manual_seed(4)
    inputs = {name: torch.randn(3, *shape, generator=generator) for name, shape in shapes.row_inputs.items()}
    inputs |= {"timesteps": torch.tensor([900.0, 500.0, 20.0]), "image_scale": SCALES} | given
    latents, timesteps = inputs.pop("latents")[rows], inputs.pop("timesteps")[rows]
    texts = ConditioningRows.of({name: part[rows] for name, part in inputs.items()})
    return engines.denoiser(latents, timesteps, texts).clone()


@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    ("accelerator", "family", "others"),
    [("openvino", "stable-diffusion", True), ("onnxruntime", "stable-diffusion", True), ("onnxruntime", "sdxl", False)],
)
def test_rows_with_images_equal_eager(
    accelerator: str, family: str, others: bool, tmp_path: Path, preparation: Preparation
) -> None:
    model = model_with_adapters(family, tmp_path, others)
    shapes = model_shapes(model, SIDE, SIDE, 3)
    reference = eager.build(model, shapes, preparation)
    engines = registry.build(accelerator, model, shapes, preparation).engines
    expected = denoise(reference, shapes)
    size = float(expected.abs().max())

    def effect(**changed: torch.Tensor) -> list[bool]:
        moved = denoise(reference, shapes, **changed) - expected
        return [float(row) > 30 * TOLERANCE for row in moved.abs().amax((1, 2, 3)) / size]

    assert effect(image_tokens=torch.ones(3, *shapes.row_inputs["image_tokens"])) == [False, True, True]
    assert effect(image_scale=SCALES + torch.tensor([[0.0], [1.0], [0.0]])) == [False, True, False]
    if others:
        assert effect(loras=torch.full((3, 1), 9.0)) == [True] * 3
        assert effect(control_scale=torch.full((3, 1), 3.0)) == [True] * 3
        assert list(shapes.row_inputs)[3:] == [
            "loras",
            "control_scale",
            "image_scale",
            "control_picture",
            "image_tokens",
        ]
    with pytest.raises(AcceleratorUnavailable, match="xformers would leave the IP-Adapter out"):
        eager.build(model, shapes, replace(preparation, attention="xformers"))
    found = denoise(engines, shapes)
    assert float((found - expected).abs().max()) / size < TOLERANCE
    for row in range(3):
        alone = denoise(engines, shapes, slice(row, row + 1))
        assert float((alone - expected[row]).abs().max()) / size < TOLERANCE
