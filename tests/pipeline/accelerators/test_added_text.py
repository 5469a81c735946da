"""UNets that pool the text themselves (diffusers' ``TextTimeEmbedding``): every accelerator equals diffusers."""

from pathlib import Path

import openvino
import pytest
import torch
from conftest import write_tiny_model

from pipeline.accelerators import eager, onnxruntime
from pipeline.accelerators.engines import Preparation, Shapes
from pipeline.accelerators.openvino import compile_engines
from pipeline.denoiser import ConditioningRows
from pipeline.models import Model, load_model

SHAPES = Shapes(64, 64, (4, 8, 8), (12, 16), 2)
TOLERANCE = 1e-4


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Model:
    folder = tmp_path_factory.mktemp("added-text") / "model"
    write_tiny_model(
        folder, addition_embed_type="text", addition_embed_type_num_heads=4, resnet_time_scale_shift="scale_shift"
    )
    return load_model(folder)


@pytest.mark.parametrize("accelerator", ["eager", "openvino", "onnxruntime"])
def test_added_text_equals_diffusers(model: Model, accelerator: str, tmp_path: Path) -> None:
    preparation = Preparation(lambda text, fraction: None, 1, cache=tmp_path)
    if accelerator == "openvino":
        engines = compile_engines(openvino.Core(), model, SHAPES, "float32", preparation)
    else:
        engines = {"eager": eager, "onnxruntime": onnxruntime}[accelerator].build(model, SHAPES, preparation)
    generator = torch.Generator().manual_seed(0)
    latents, text = torch.randn(2, 4, 8, 8, generator=generator), torch.randn(2, 12, 16, generator=generator)
    timesteps = torch.tensor([990.0, 41.5])
    with torch.inference_mode():
        expected = model.unet(latents, timesteps, text).sample
        pooled_of_other = model.unet.add_embedding(text.flip(0))
        model.unet.get_aug_embed = lambda **_: pooled_of_other
        other = model.unet(latents, timesteps, text).sample
        del model.unet.get_aug_embed
    assert (other - expected).abs().max() > 100 * TOLERANCE  # the pooled text is heard far above the tolerance
    torch.testing.assert_close(
        engines.denoiser(latents, timesteps, ConditioningRows(text)), expected, rtol=0, atol=TOLERANCE
    )
