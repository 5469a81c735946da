"""Reuse on every accelerator that has it: both forms equal eager torch. The others, and other networks, refuse it."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from controlnet_folders import write_controlnet
from row_comparison import TOLERANCE, assert_equal_rows, denoise, random_rows
from safetensors.torch import save_file
from tiny_folders import SIDE, write_family_folder

from pipeline.accelerators import eager, openvino_convert, registry
from pipeline.accelerators.engines import Engines, Preparation
from pipeline.accelerators.torch_gpu import TorchGpu
from pipeline.models import Model, load_model
from pipeline.prepared_engines import model_shapes
from presets.errors import AcceleratorUnavailable, ModelError


def model_of(family: str, folder: Path, lora: bool = False) -> Model:
    model = write_family_folder(family, folder / "model")
    if not lora:
        return load_model(model)
    generator = torch.Generator().manual_seed(3)
    down, up = torch.randn(2, 16, 3, 3, generator=generator), torch.randn(4, 2, 1, 1, generator=generator)
    save_file({"unet.conv_out.lora_A.weight": down, "unet.conv_out.lora_B.weight": up}, folder / "a.safetensors")
    return load_model(model, [str(folder / "a.safetensors")])


def reuse(engines: Engines, rows: dict[str, torch.Tensor]) -> torch.Tensor:
    """Return the output of the outermost blocks."""
    assert engines.outer is not None
    return denoise(replace(engines, denoiser=engines.outer), rows)


@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    ("accelerator", "family", "lora"),
    [("openvino", "stable-diffusion", True), ("openvino", "sdxl", False), ("torch on a GPU", "lcm", False)],
)
def test_both_forms_equal_eager(
    accelerator: str, family: str, lora: bool, tmp_path: Path, preparation: Preparation
) -> None:
    model = model_of(family, tmp_path, lora)
    shapes = model_shapes(model, SIDE, SIDE, 4, keeps=True)
    plain = eager.build(model, replace(shapes, kept=None), preparation)
    reference = eager.build(model, shapes, preparation)
    preparation = replace(preparation, threads=2, requests=2, sizes=(1, 3, 4))
    if accelerator == "openvino":
        engines = registry.build(accelerator, model, shapes, preparation).engines
    else:  # the engines of CUDA graphs, MPS and torch.compile, on the processor
        engines = TorchGpu("torch", torch.device("cpu")).build(model, shapes, preparation)
    first = random_rows(shapes)
    second = first | {"latents": first["latents"].roll(1, 0)}
    assert torch.equal(denoise(reference, first), denoise(plain, first)), "it computes the same"
    for size in (1, 3, 4):  # four rows are shared by two requests of OpenVINO
        first_rows, second_rows = (
            {name: part[torch.arange(size) % 3] for name, part in rows.items()} for rows in (first, second)
        )
        outputs = []
        for each in (reference, engines):
            denoise(each, first_rows)
            outputs.append(reuse(each, second_rows))
        expected = outputs[0]
        largest = float(expected.abs().max())
        assert float((outputs[1] - expected).abs().max()) / largest < TOLERANCE
        assert float((denoise(plain, second_rows) - expected).abs().max()) / largest > 10 * TOLERANCE or size == 1
    assert_equal_rows(engines, plain, first)


def test_features_need_no_memory_of_a_call(tmp_path: Path, preparation: Preparation) -> None:
    """OpenVINO writes features to the memory that its outermost blocks read."""
    model = model_of("stable-diffusion", tmp_path)
    shapes = model_shapes(model, SIDE, SIDE, 2, keeps=True)
    engines = registry.build("openvino", model, shapes, replace(preparation, sizes=(2,))).engines
    denoiser: Any = engines.denoiser
    outer: Any = engines.outer
    rows = {name: part[:2] for name, part in random_rows(shapes).items()}
    before = denoise(engines, rows)
    torch.testing.assert_close(reuse(engines, rows), before, rtol=1e-4, atol=1e-4)
    (features,) = outer._kept[2]
    assert denoiser._networks[2]._request.get_output_tensor(1).data.ctypes.data == features.data_ptr()
    assert outer._networks[2]._bound[-1] is features
    features.zero_()
    assert (reuse(engines, rows) - before).abs().max() > 1e-2, "they are read at every call"


def test_converted_graphs_have_keys_of_their_own(tiny_folder: Path) -> None:
    model = load_model(tiny_folder)
    off, on = (model_shapes(model, SIDE, SIDE, 4, keeps) for keeps in (False, True))
    assert openvino_convert._key(model, off) != openvino_convert._key(model, on)
    assert "keeps" not in off.key(), "the key of a model without reuse is as before"
    assert openvino_convert.names_of(model, on) == ("timesteps", "denoiser", "outer", "encoder", "decoder")


@pytest.mark.parametrize("accelerator", ["onnxruntime", "tensorrt", "tensorrt_rtx"])
def test_accelerators_that_refuse(accelerator: str, tiny_folder: Path, preparation: Preparation) -> None:
    model = load_model(tiny_folder)
    shapes = model_shapes(model, SIDE, SIDE, 4, keeps=True)
    expected = r"can't keep deep features; reuse is for openvino, eager, .*\. Set reuse to false or use one of them"
    with pytest.raises(AcceleratorUnavailable, match=expected):
        registry.ACCELERATORS[accelerator].build(model, shapes, preparation)
    registry.ACCELERATORS[accelerator].check_reuse(replace(shapes, kept=None))


def test_foreign_engine_is_refused(tiny_folder: Path, preparation: Preparation) -> None:
    model = load_model(tiny_folder)
    shapes = model_shapes(model, SIDE, SIDE, 4, keeps=True)
    with pytest.raises(ModelError, match=r"unet\.onnx keeps no deep features, which reuse needs\. Set reuse to false"):
        registry.build("eager", model, shapes, replace(preparation, engine=Path("unet.onnx")))


def test_other_networks_are_refused(tmp_path: Path) -> None:
    transformer = load_model(write_family_folder("sd3", tmp_path / "sd3"))
    with pytest.raises(ModelError, match=r"reuse needs a UNet, and .* is of the family Stable Diffusion 3"):
        model_shapes(transformer, SIDE, SIDE, 4, keeps=True)
    folder = write_family_folder("stable-diffusion", tmp_path / "sd")
    controlled = load_model(folder, (), str(write_controlnet(folder, tmp_path / "edges")))
    with pytest.raises(ModelError, match=r"reuse can't be used with a ControlNet"):
        model_shapes(controlled, SIDE, SIDE, 4, keeps=True)
    config = load_model(folder).configurations["unet"]
    other = load_model(folder)
    vars(other)["configurations"] = other.configurations | {"unet": config | {"up_block_types": ["AttnUpBlock2D"]}}
    with pytest.raises(ModelError, match=r"reuse can't cut a AttnUpBlock2D, the outermost block of"):
        model_shapes(other, SIDE, SIDE, 4, keeps=True)
