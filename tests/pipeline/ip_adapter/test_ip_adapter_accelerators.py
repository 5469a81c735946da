"""IP-Adapters on compiled networks: rows of one batch with images and scales of their own equal eager torch, from one
compilation, beside a LoRA and a ControlNet too."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from controlnet_folders import write_controlnet
from ip_adapter_files import write_ip_adapter
from row_comparison import assert_equal_rows, effect, random_rows
from safetensors.torch import save_file
from tiny_denoisers import ONE_BLOCK
from tiny_folders import SIDE, write_family_folder

from pipeline.accelerators import eager, registry
from pipeline.accelerators.engines import Preparation
from pipeline.models import Model, load_model
from pipeline.prepared_engines import model_shapes
from presets.errors import AcceleratorUnavailable

SCALES = torch.tensor([[0.0], [1.0], [0.4]])


def model_with_adapters(folder: Path, **settings: Any) -> Model:
    model = write_family_folder("stable-diffusion", folder / "model", **settings)
    file = write_ip_adapter(model, folder)
    controlnet, generator = write_controlnet(model, folder / "net"), torch.Generator().manual_seed(3)
    down, up = torch.randn(2, 16, generator=generator), torch.randn(32, 2, generator=generator)
    layer = "unet.mid_block.attentions.0.transformer_blocks.0.attn2.to_k"
    save_file({f"{layer}.lora_A.weight": down, f"{layer}.lora_B.weight": up}, folder / "a.safetensors")
    return load_model(model, [str(folder / "a.safetensors")], str(controlnet), (str(file), ""))


@pytest.mark.timeout(300)
@pytest.mark.parametrize("accelerator", ["openvino", "onnxruntime"])
def test_rows_with_images_equal_eager(accelerator: str, tmp_path: Path, preparation: Preparation) -> None:
    """`test_adapters_together` has SDXL."""
    # Every block makes the export slower. OpenVINO has the network with two sizes of features.
    model = model_with_adapters(tmp_path, **ONE_BLOCK if accelerator == "onnxruntime" else {})
    shapes = model_shapes(model, SIDE, SIDE, 3)
    reference = eager.build(model, shapes, preparation)
    engines = registry.build(accelerator, model, shapes, preparation).engines
    rows = random_rows(shapes, image_scale=SCALES)
    tokens, scales = torch.ones_like(rows["image_tokens"]), SCALES + torch.tensor([[0.0], [1.0], [0.0]])
    assert effect(reference, rows, image_tokens=tokens) == [False, True, True]
    assert effect(reference, rows, image_scale=scales) == [False, True, False]
    assert effect(reference, rows, loras=torch.full((3, 1), 9.0)) == [True] * 3
    assert effect(reference, rows, control_scale=torch.full((3, 1), 3.0)) == [True] * 3
    extra = ["loras", "control_scale", "image_scale", "control_picture", "image_tokens"]
    assert list(shapes.row_inputs)[3:] == extra
    with pytest.raises(AcceleratorUnavailable, match="xformers would leave the IP-Adapter out"):
        eager.build(model, shapes, replace(preparation, attention="xformers"))
    assert_equal_rows(engines, reference, rows)
