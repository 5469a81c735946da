"""ControlNets on compiled networks: rows of one batch with pictures and scales of their own equal eager torch, from one
compilation, beside a LoRA too."""

from pathlib import Path

import pytest
import torch
from controlnet_folders import write_controlnet
from row_comparison import assert_equal_rows, effect, random_rows
from safetensors.torch import save_file
from tiny_folders import SIDE, write_family_folder

from pipeline.accelerators import eager, registry
from pipeline.accelerators.engines import Preparation
from pipeline.models import Model, load_model
from pipeline.prepared_engines import model_shapes

SCALES = torch.tensor([[0.0], [1.0], [0.4]])


def controlled_model(folder: Path) -> Model:
    model, generator = write_family_folder("stable-diffusion", folder / "model"), torch.Generator().manual_seed(3)
    down, up = torch.randn(2, 16, 3, 3, generator=generator), torch.randn(4, 2, 1, 1, generator=generator)
    save_file({"unet.conv_out.lora_A.weight": down, "unet.conv_out.lora_B.weight": up}, folder / "a.safetensors")
    return load_model(model, [str(folder / "a.safetensors")], str(write_controlnet(model, folder / "edges")))


@pytest.mark.timeout(300)
def test_controlled_rows_equal_eager(tmp_path: Path, preparation: Preparation) -> None:
    """OpenVINO. `test_adapters_together` has ONNX Runtime."""
    model = controlled_model(tmp_path)
    shapes = model_shapes(model, SIDE, SIDE, 3)
    reference = eager.build(model, shapes, preparation)
    engines = registry.build("openvino", model, shapes, preparation).engines
    pictures = random_rows(shapes)["control_picture"].sigmoid()
    rows = random_rows(shapes, control_scale=SCALES, control_picture=pictures)
    moved = effect(reference, rows, control_picture=pictures.roll(1, 0))
    assert moved == [False, True, True], "the row of scale 0 sees no picture"
    others = SCALES + torch.tensor([[0.0], [0.5], [0.0]])
    assert effect(reference, rows, control_scale=others) == [False, True, False]
    assert effect(reference, rows, loras=torch.tensor([[3.0], [0.0], [0.0]]))[0]
    assert_equal_rows(engines, reference, rows)
