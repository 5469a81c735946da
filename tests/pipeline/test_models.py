"""Model folders: a good one loads, every way of being wrong is refused with its path and a sentence."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from pipeline.models import SHIPPED, keep_float32_whole, load_model
from presets.errors import ModelError


@pytest.fixture
def folder(tiny_folder: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(tiny_folder, tmp_path / "model"))


def test_a_folder_in_diffusers_format_loads(folder: Path) -> None:
    model = load_model(folder)
    assert (model.latent_channels, model.factor) == (4, 8)
    assert all(parameter.dtype == torch.float32 for parameter in model.unet.parameters())
    assert not model.unet.training
    assert model.autoencoder.config.latent_channels == 4
    assert model.tokenizer("neon").input_ids


def test_half_precision_weights_and_variants_load_as_float32(folder: Path) -> None:
    plain = folder / "unet" / "diffusion_pytorch_model.safetensors"
    halves = {name: weight.half() for name, weight in load_file(plain).items()}
    plain.unlink()
    save_file(halves, folder / "unet" / "diffusion_pytorch_model.fp16.safetensors")
    weight = next(load_model(folder).unet.parameters())
    assert weight.dtype == torch.float32


def test_float32_is_whole_from_the_first_network_on(folder: Path) -> None:
    was = torch.get_float32_matmul_precision(), torch.backends.cudnn.allow_tf32
    try:
        torch.set_float32_matmul_precision("high")
        torch.backends.cudnn.allow_tf32 = True
        model = load_model(folder)
        assert torch.backends.cudnn.allow_tf32, "a folder that is only checked changes nothing"
        assert model.autoencoder
        assert torch.get_float32_matmul_precision() == "highest"
        assert not torch.backends.cuda.matmul.allow_tf32
        assert not torch.backends.cudnn.allow_tf32
    finally:
        torch.set_float32_matmul_precision(was[0])
        torch.backends.cudnn.allow_tf32 = was[1]


@pytest.mark.gpu
def test_convolutions_and_products_on_a_gpu_are_float32() -> None:
    keep_float32_whole()
    generator = torch.Generator().manual_seed(0)
    pictures, weights = torch.randn(1, 64, 32, 32, generator=generator), torch.randn(64, 64, 3, 3, generator=generator)
    matrix = torch.randn(512, 512, generator=generator)
    exact = torch.nn.functional.conv2d(pictures.double(), weights.double()), matrix.double() @ matrix.double()
    found = torch.nn.functional.conv2d(pictures.cuda(), weights.cuda()), matrix.cuda() @ matrix.cuda()
    for one, other in zip(exact, found, strict=True):  # in TF32 they would be 1e-4 of their size apart or more
        assert (one - other.double().cpu()).norm() / one.norm() < 2e-5


def test_the_schedule_is_the_model_s_own(folder: Path) -> None:
    assert load_model(folder).schedule(4, 1.0).timestep[1] == pytest.approx(750)
    _edit(folder / "scheduler" / "scheduler_config.json", shift=3.0)
    assert load_model(folder).schedule(4, 1.0).timestep[1] == pytest.approx(900)


@pytest.mark.parametrize("kind", ["PeRFlowScheduler", "LCMScheduler", "FlowMatchEulerDiscreteScheduler"])
def test_every_family_s_scheduler_is_read_as_it_reads_itself(folder: Path, kind: str) -> None:
    from diffusers import FlowMatchEulerDiscreteScheduler, LCMScheduler

    from pipeline.diffusers_schedulers import PeRFlowScheduler

    scheduler = {
        "PeRFlowScheduler": PeRFlowScheduler(prediction_type="diff_eps", num_time_windows=2),
        "LCMScheduler": LCMScheduler(original_inference_steps=20, beta_schedule="linear"),
        "FlowMatchEulerDiscreteScheduler": FlowMatchEulerDiscreteScheduler(shift=2.0, stochastic_sampling=True),
    }[kind]
    scheduler.save_pretrained(folder / "scheduler")
    _edit(folder / "model_index.json", scheduler=["diffusers", kind])
    schedule = load_model(folder).schedule(5, 1.0)
    if isinstance(scheduler, FlowMatchEulerDiscreteScheduler):
        scheduler.set_timesteps(sigmas=[1.0, 0.8, 0.6, 0.4, 0.2])
        assert schedule.c[0] > 0  # noise is added anew
    else:
        scheduler.set_timesteps(5)
    assert schedule.timestep.tolist() == pytest.approx(scheduler.timesteps.tolist())


def test_the_fingerprint_follows_weights_and_configuration(folder: Path) -> None:
    before = load_model(folder).fingerprint
    assert load_model(folder).fingerprint == before
    _edit(folder / "vae" / "config.json", scaling_factor=0.5)
    after = load_model(folder).fingerprint
    assert after != before
    path = folder / "unet" / "diffusion_pytorch_model.safetensors"
    weights = load_file(path)
    next(iter(weights.values())).view(-1)[0] += 1
    save_file(weights, path)
    assert load_model(folder).fingerprint != after


def _edit(path: Path, **changes: object) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def _cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


WEIGHTS = "diffusion_pytorch_model.safetensors"
WRONG: dict[str, tuple[Callable[[Path], object], str]] = {
    "no folder": (shutil.rmtree, "There is no model folder .*model"),
    "no index": (lambda folder: (folder / "model_index.json").unlink(), "model_index.json is missing"),
    "broken index": (lambda folder: (folder / "model_index.json").write_text("{"), "model_index.json is not readable"),
    "binary index": (lambda folder: (folder / "model_index.json").write_bytes(b"\xff\xfe\x00"), "not readable JSON"),
    "index is a list": (lambda folder: (folder / "model_index.json").write_text("[]"), "must hold a JSON object"),
    "no unet named": (lambda folder: _edit(folder / "model_index.json", unet=None), "names no unet"),
    "unknown network": (
        lambda folder: _edit(folder / "model_index.json", unet=["diffusers", "FluxTransformer2DModel"]),
        "is a FluxTransformer2DModel; this version plays UNet2DConditionModel",
    ),
    "code from elsewhere": (
        lambda folder: _edit(folder / "model_index.json", unet=["os", "system"]),
        "is a system; this version plays",
    ),
    "unknown scheduler": (
        lambda folder: _edit(folder / "model_index.json", scheduler=["diffusers", "DDIMScheduler"]),
        "is a DDIMScheduler; this version plays FlowMatchEulerDiscreteScheduler",
    ),
    "dynamic shift": (
        lambda folder: _edit(folder / "scheduler" / "scheduler_config.json", use_dynamic_shifting=True),
        "scheduler_config.json asks for use_dynamic_shifting=True",
    ),
    "shift of nothing": (
        lambda folder: _edit(folder / "scheduler" / "scheduler_config.json", shift=0),
        "scheduler_config.json can't be: shift is 0; it must be a finite number above 0",
    ),
    "shift in words": (
        lambda folder: _edit(folder / "scheduler" / "scheduler_config.json", shift="three"),
        "scheduler_config.json can't be",
    ),
    "a network that wants more": (
        lambda folder: _edit(folder / "unet" / "config.json", addition_embed_type="text_time"),
        "has addition_embed_type='text_time', which this version does not play",
    ),
    "no weights": (lambda folder: (folder / "unet" / WEIGHTS).unlink(), "unet.*safetensors is missing; pickled"),
    "no configuration": (lambda folder: (folder / "vae" / "config.json").unlink(), "vae.*config.json is missing"),
    "cut weights": (lambda folder: _cut(folder / "unet" / WEIGHTS), "unet.*safetensors is damaged"),
    "no tokenizer": (lambda folder: shutil.rmtree(folder / "tokenizer"), "tokenizer is missing"),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_a_wrong_folder_is_refused_before_anything_is_built(folder: Path, wrong: str) -> None:
    harm, says = WRONG[wrong]
    harm(folder)
    with pytest.raises(ModelError, match=says):
        load_model(folder)


def test_weights_that_do_not_fit_their_configuration_are_refused(folder: Path) -> None:
    path = folder / "unet" / WEIGHTS
    weights = load_file(path)
    save_file({name: weight for name, weight in weights.items() if name != "conv_in.weight"}, path)
    with pytest.raises(ModelError, match=r"1 weights are missing or of another shape, conv_in.weight"):
        _ = load_model(folder).unet
    save_file(weights | {"conv_in.weight": torch.zeros(3, 3)}, path)
    with pytest.raises(ModelError, match=r"conv_in\.weight"):
        _ = load_model(folder).unet


def test_pickled_weights_are_never_read(folder: Path) -> None:
    path = folder / "text_encoder" / "model.safetensors"
    torch.save(load_file(path), path.with_name("pytorch_model.bin"))
    path.unlink()
    with pytest.raises(ModelError, match="pickled weights"):
        load_model(folder)


def test_a_broken_tokenizer_is_refused(folder: Path) -> None:
    for path in (folder / "tokenizer").iterdir():
        path.write_text("{")
    with pytest.raises(ModelError, match=r"tokenizer .*can't be read"):
        _ = load_model(folder).tokenizer


def test_the_shipped_model_is_of_the_kind_that_is_played() -> None:
    model = load_model(SHIPPED)
    assert (model.name, model.factor, model.latent_channels) == ("shipped", 8, 4)
