"""LoRAs on OpenVINO: rows of one batch with weights of their own equal eager torch, from one compilation.

`test_compiled` has torch.compile, and `test_adapters_together` has ONNX Runtime.
"""

from pathlib import Path

from lora_files import write_two
from row_comparison import assert_equal_weights_of_loras
from tiny_folders import SIDE, write_family_folder

from pipeline.accelerators import eager, registry
from pipeline.accelerators.engines import Preparation
from pipeline.models import load_model
from pipeline.prepared_engines import model_shapes


def test_rows_with_weights_equal_eager(tmp_path: Path, preparation: Preparation) -> None:
    plain = load_model(write_family_folder("stable-diffusion", tmp_path / "model"))
    model = load_model(plain.folder, write_two(tmp_path, plain.read_network("unet")))
    shapes = model_shapes(model, SIDE, SIDE, 3)
    reference = eager.build(model, shapes, preparation)
    engines = registry.build("openvino", model, shapes, preparation).engines
    assert_equal_weights_of_loras(engines, reference, shapes)
