"""Precision of the networks: eager torch computes in it with float32 timesteps, unsupported ones are refused."""

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from tiny_folders import write_family_folder

from pipeline.accelerators import eager, openvino, registry
from pipeline.accelerators.engines import Engines, Preparation, Shapes
from pipeline.accelerators.onnx_files import precision_of
from pipeline.accelerators.precision import TYPES, autoencoder_overflows, dtype_of, has_half_sums
from pipeline.accelerators.torch_engines import autoencoder_graphs
from pipeline.denoiser import ConditioningRows
from pipeline.models import load_model
from presets.errors import AcceleratorUnavailable

SHAPES = Shapes(64, 64, (4, 8, 8), (12, 16), 2)


def built(folder: Path, precision: str) -> Engines:
    # A new model for each call, because networks are converted in place.
    return eager.build(load_model(folder), SHAPES, Preparation(lambda text, fraction: None, precision=precision))


@pytest.mark.parametrize("precision", ["float16", "bfloat16"])
def test_eager_in_half_precision(tiny_folder: Path, precision: str) -> None:
    plain, half = built(tiny_folder, ""), built(tiny_folder, precision)
    assert (plain.precision, half.precision) == ("float32", precision)
    generator = torch.Generator().manual_seed(2)
    latents, timesteps = torch.randn(1, 4, 8, 8, generator=generator), torch.tensor([750.0, 753.0])
    text = ConditioningRows(torch.randn(1, 12, 16, generator=generator).repeat(2, 1, 1))
    expected, found = (
        engines.denoiser(latents.repeat(2, 1, 1, 1), timesteps, text).clone() for engines in (plain, half)
    )
    assert found.dtype == torch.float32
    difference = (found - expected).norm() / expected.norm()
    assert 1e-6 < difference < 3e-2, "the precision differs, the network does not"
    assert not torch.equal(found[0], found[1]), "750 and 753 are equal in bfloat16, so the timesteps must be float32"
    pixels = torch.randint(0, 256, (1, 64, 64, 3), dtype=torch.uint8, generator=generator)
    latent = plain.encode(pixels).clone()
    assert (half.encode(pixels) - latent).norm() < 3e-2 * latent.norm()
    assert (half.decode(latent).int() - plain.decode(latent).int()).abs().float().mean() < 2


def test_unsupported_precision_is_refused(tiny_folder: Path) -> None:
    preparation = Preparation(lambda text, fraction: None, precision="float16")
    known = " or ".join(openvino.precisions())
    with pytest.raises(AcceleratorUnavailable, match=rf"OpenVINO can't compute in float16 here\. Choose {known}\."):
        openvino.build(load_model(tiny_folder), SHAPES, preparation)
    with pytest.raises(AcceleratorUnavailable, match="float12"):
        registry.build(
            "eager", load_model(tiny_folder), SHAPES, Preparation(lambda text, fraction: None, precision="float12")
        )


def test_sums_in_half_are_asked_for(tiny_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A setting of cuBLAS, which is there without a card. Another precision takes it back."""
    if not has_half_sums():
        pytest.skip("torch has it from 2.7 on")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(AcceleratorUnavailable, match=r"eager torch adds in float16 on an NVIDIA GPU only\."):
        built(tiny_folder, "float16_sums")
    products = torch.backends.cuda.matmul
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    try:
        for precision, on in (("float16_sums", True), ("float16", False), ("float16_sums", True), ("float32", False)):
            dtype_of(precision, tuple(TYPES), "CUDA")
            assert products.allow_fp16_accumulation is on
    finally:
        products.allow_fp16_accumulation = False


@torch.inference_mode()
def test_autoencoder_of_sdxl_never_overflows(tmp_path: Path) -> None:
    """Its values leave float16, as those of the real one do. Another one says that its own do not."""
    folder, cpu = write_family_folder("sdxl", tmp_path / "model"), torch.device("cpu")
    weights = load_file(folder / "vae" / "diffusion_pytorch_model.safetensors")
    weights["decoder.conv_in.weight"] *= 1e6
    save_file(weights, folder / "vae" / "diffusion_pytorch_model.safetensors", metadata={"format": "pt"})
    latent, pictures = torch.randn(1, 4, 8, 8, generator=torch.Generator().manual_seed(3)), {}
    for upcast in (False, True):
        config = json.loads((folder / "vae" / "config.json").read_text()) | {"force_upcast": upcast}
        (folder / "vae" / "config.json").write_text(json.dumps(config))
        model = load_model(folder)
        decoder = autoencoder_graphs(model, torch.float16, cpu)[1]
        pictures[upcast] = decoder.decoder(latent)
        assert decoder.decoder.dtype == (torch.float32 if upcast else torch.float16)
        assert autoencoder_graphs(model, torch.bfloat16, cpu)[1].decoder.dtype == torch.bfloat16
        assert autoencoder_overflows(model) == upcast
    assert pictures[False].isnan().any()
    assert pictures[True].isfinite().all()
    assert not autoencoder_overflows(load_model())
    assert autoencoder_overflows(load_model(write_family_folder("sana", tmp_path / "sana")))
    found = [precision_of(precision, "decoder", True) for precision in ("float16", "fp8", "bfloat16")]
    assert (found, precision_of("fp8", "denoiser", True)) == (["float32", "float32", "bfloat16"], "fp8")
