"""LoRAs on compiled networks: rows of one batch with weights of their own equal eager torch, from one compilation.

`test_compiled` has torch.compile.
"""

from pathlib import Path

import pytest
from lora_files import write_two
from row_comparison import assert_equal_weights_of_loras
from tiny_folders import SIDE, write_family_folder

from pipeline.accelerators import eager, registry
from pipeline.accelerators.engines import Preparation
from pipeline.models import load_model
from pipeline.prepared_engines import model_shapes


@pytest.mark.timeout(300)
@pytest.mark.parametrize(("accelerator", "family"), [("openvino", "stable-diffusion"), ("onnxruntime", "sdxl")])
def test_rows_with_weights_equal_eager(accelerator: str, family: str, tmp_path: Path, preparation: Preparation) -> None:
    plain = load_model(write_family_folder(family, tmp_path / "model"))
    model = load_model(plain.folder, write_two(tmp_path, plain.read_network("unet")))
    shapes = model_shapes(model, SIDE, SIDE, 3)
    reference = eager.build(model, shapes, preparation)
    engines = registry.build(accelerator, model, shapes, preparation).engines
    assert_equal_weights_of_loras(engines, reference, shapes)
