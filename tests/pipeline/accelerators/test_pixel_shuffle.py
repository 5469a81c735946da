"""Autoencoders that shuffle pixels (diffusers' ``AutoencoderDC``): eager and OpenVINO equal diffusers."""

import json
from pathlib import Path

import openvino
import pytest
import torch

from pipeline.accelerators import eager
from pipeline.accelerators.engines import Preparation, Shapes
from pipeline.accelerators.openvino import compile_engines
from pipeline.models import Model, load_model
from tests.pipeline.conftest import write_tiny_model

SHAPES = Shapes(64, 64, (4, 8, 8), (12, 16), 2)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Model:
    from diffusers import AutoencoderDC

    folder = tmp_path_factory.mktemp("shuffle") / "model"
    write_tiny_model(folder)
    torch.manual_seed(4)
    channels, none = (8, 8, 16, 16), ((), (), (), ())
    vae = AutoencoderDC(
        latent_channels=4,
        encoder_block_out_channels=channels,
        decoder_block_out_channels=channels,
        encoder_layers_per_block=(0, 1, 1, 1),
        decoder_layers_per_block=(0, 1, 1, 1),
        encoder_block_types="ResBlock",
        decoder_block_types="ResBlock",
        encoder_qkv_multiscales=none,
        decoder_qkv_multiscales=none,
        scaling_factor=0.5,
    )
    (folder / "vae" / "diffusion_pytorch_model.safetensors").unlink()
    vae.save_pretrained(folder / "vae")
    index = json.loads((folder / "model_index.json").read_text())
    (folder / "model_index.json").write_text(json.dumps(index | {"vae": ["diffusers", "AutoencoderDC"]}))
    return load_model(folder)


@pytest.mark.parametrize("accelerator", ["eager", "openvino"])
def test_shuffled_pixels_equal_diffusers(model: Model, accelerator: str, tmp_path: Path) -> None:
    preparation = Preparation(lambda text, fraction: None, 1, cache=tmp_path)
    if accelerator == "openvino":
        engines = compile_engines(openvino.Core(), model, SHAPES, "float32", preparation)
    else:
        engines = eager.build(model, SHAPES, preparation)
    torch.manual_seed(1)
    pixels = torch.randint(0, 256, (1, 64, 64, 3), dtype=torch.uint8)
    latent = 20 * torch.randn(1, 4, 8, 8)  # large enough for the random decoder to reach black and white
    with torch.inference_mode():
        encoded = 0.5 * model.autoencoder.encode(pixels.permute(0, 3, 1, 2) / 127.5 - 1).latent
        decoded = ((model.autoencoder.decode(latent / 0.5).sample + 1) * 127.5).round().clamp(0, 255)
    torch.testing.assert_close(engines.encode(pixels), encoded, rtol=1e-4, atol=1e-4)
    assert decoded.std() > 10
    drawn = engines.decode(latent).float()
    assert (drawn - decoded.permute(0, 2, 3, 1)).abs().max() <= 1
