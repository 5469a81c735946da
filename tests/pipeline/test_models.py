"""Model folders: a good one loads, and every fault is refused with its path."""

import gc
import importlib.util
import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from pipeline.library_imports import quick_imports
from pipeline.models import SHIPPED, load_model
from presets.errors import ModelError


@pytest.fixture
def folder(tiny_folder: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(tiny_folder, tmp_path / "model"))


def test_diffusers_folder_loads(folder: Path) -> None:
    model = load_model(folder)
    assert (model.latent_channels, model.factor) == (4, 8)
    assert all(parameter.dtype == torch.float32 for parameter in model.denoiser.parameters())
    assert not model.denoiser.training
    assert model.autoencoder.config.latent_channels == 4
    assert model.tokenizer("neon").input_ids


def test_fp16_variant_loads_as_float32(folder: Path) -> None:
    plain = folder / "unet" / "diffusion_pytorch_model.safetensors"
    halves = {name: weight.half() for name, weight in load_file(plain).items()}
    plain.unlink()
    save_file(halves, folder / "unet" / "diffusion_pytorch_model.fp16.safetensors")
    weight = next(load_model(folder).denoiser.parameters())
    assert weight.dtype == torch.float32


def test_schedule_follows_the_config(folder: Path) -> None:
    assert load_model(folder).schedule(4, 1.0).timestep[1] == pytest.approx(750)
    _edit(folder / "scheduler" / "scheduler_config.json", shift=3.0)
    assert load_model(folder).schedule(4, 1.0).timestep[1] == pytest.approx(900)


@pytest.mark.parametrize("kind", ["PeRFlowScheduler", "LCMScheduler", "FlowMatchEulerDiscreteScheduler"])
def test_scheduler_config_equals_diffusers(folder: Path, kind: str) -> None:
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
        assert schedule.c[0] > 0  # stochastic
    else:
        scheduler.set_timesteps(5)
    assert schedule.timestep.tolist() == pytest.approx(scheduler.timesteps.tolist())


@pytest.mark.parametrize("library", ["diffusers", "pipeline.diffusers_schedulers.flow_matching"])
def test_clean_latent_prediction(folder: Path, library: str) -> None:
    from pipeline.diffusers_schedulers import FlowMatchEulerScheduler

    FlowMatchEulerScheduler(prediction_type="sample").save_pretrained(folder / "scheduler")
    _edit(folder / "model_index.json", scheduler=[library, "FlowMatchEulerScheduler"])
    schedule = load_model(folder).schedule(4, 1.0)
    assert schedule.a.tolist() == pytest.approx([3 / 4, 2 / 3, 1 / 2, 0])
    _edit(folder / "model_index.json", scheduler=["diffusers", "FlowMatchEulerDiscreteScheduler"])
    assert (load_model(folder).schedule(4, 1.0).rows == schedule.rows).all()
    for ignored in ("velocity", "epsilon", None):  # epsilon: left by from_config, and ignored by diffusers' class
        _edit(folder / "scheduler" / "scheduler_config.json", prediction_type=ignored)
        assert load_model(folder).schedule(4, 1.0).a.tolist() == [1, 1, 1, 1]


def test_folder_loads_in_diffusers(folder: Path) -> None:
    """diffusers takes the class from this package, and refuses the folder where the package is not imported."""
    from diffusers import DiffusionPipeline

    from pipeline.diffusers_schedulers import FlowMatchEulerScheduler

    FlowMatchEulerScheduler(prediction_type="sample").save_pretrained(folder / "scheduler")
    _edit(
        folder / "model_index.json",
        _class_name="StableDiffusionPipeline",
        scheduler=["pipeline.diffusers_schedulers.flow_matching", "FlowMatchEulerScheduler"],
        safety_checker=[None, None],
        feature_extractor=[None, None],
        image_encoder=[None, None],
    )
    scheduler = DiffusionPipeline.from_pretrained(folder, safety_checker=None, local_files_only=True).scheduler
    assert type(scheduler) is FlowMatchEulerScheduler
    assert scheduler.config.prediction_type == "sample"
    _edit(folder / "model_index.json", scheduler=["diffusers", "FlowMatchEulerScheduler"])
    with pytest.raises((AttributeError, ValueError), match="FlowMatchEulerScheduler"):
        DiffusionPipeline.from_pretrained(folder, safety_checker=None, local_files_only=True)


def test_fingerprint_covers_all_files(folder: Path) -> None:
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


def _truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


WEIGHTS = "diffusion_pytorch_model.safetensors"
FAULTS: dict[str, tuple[Callable[[Path], object], str]] = {
    "no folder": (shutil.rmtree, "There is no model folder .*model"),
    "no index": (lambda folder: (folder / "model_index.json").unlink(), "model_index.json is missing"),
    "broken index": (lambda folder: (folder / "model_index.json").write_text("{"), "model_index.json is not readable"),
    "deep index": (lambda folder: (folder / "model_index.json").write_text('{"a":' * 100_000), "not readable JSON"),
    "binary index": (lambda folder: (folder / "model_index.json").write_bytes(b"\xff\xfe\x00"), "not readable JSON"),
    "index is a list": (lambda folder: (folder / "model_index.json").write_text("[]"), "must hold a JSON object"),
    "no unet named": (lambda folder: _edit(folder / "model_index.json", unet=None), "names no unet"),
    "unknown network": (
        lambda folder: _edit(folder / "model_index.json", unet=["diffusers", "FluxTransformer2DModel"]),
        "is a FluxTransformer2DModel; this version supports UNet2DConditionModel",
    ),
    "foreign code": (
        lambda folder: _edit(folder / "model_index.json", unet=["os", "system"]),
        "is a system; this version supports",
    ),
    "unknown scheduler": (
        lambda folder: _edit(folder / "model_index.json", scheduler=["diffusers", "DDIMScheduler"]),
        "is a DDIMScheduler; this version supports FlowMatchEulerDiscreteScheduler",
    ),
    "dynamic shift": (
        lambda folder: _edit(folder / "scheduler" / "scheduler_config.json", use_dynamic_shifting=True),
        "scheduler_config.json sets use_dynamic_shifting=True",
    ),
    "shift 0": (
        lambda folder: _edit(folder / "scheduler" / "scheduler_config.json", shift=0),
        "scheduler_config.json has an impossible setting: shift is 0; it must be a finite number above 0",
    ),
    "shift as text": (
        lambda folder: _edit(folder / "scheduler" / "scheduler_config.json", shift="three"),
        "scheduler_config.json has an impossible setting",
    ),
    "unknown prediction": (
        lambda folder: (
            _edit(folder / "model_index.json", scheduler=["diffusers", "FlowMatchEulerScheduler"]),
            _edit(folder / "scheduler" / "scheduler_config.json", prediction_type="epsilon"),
        ),
        "scheduler_config.json has an impossible setting: prediction is 'epsilon'; it is one of velocity, sample",
    ),
    "text embedding without heads": (
        lambda folder: _edit(
            folder / "unet" / "config.json", addition_embed_type="text", addition_embed_type_num_heads=None
        ),
        "addition_embed_type_num_heads=None; it must be a whole number that divides cross_attention_dim, 16",
    ),
    "inpainting": (
        lambda folder: _edit(folder / "unet" / "config.json", in_channels=9),
        r"takes 9 channels and returns 4\. This version supports as many as it returns, or twice as many",
    ),
    "latents of another autoencoder": (
        lambda folder: _edit(folder / "vae" / "config.json", latent_channels=16),
        "returns 4 channels; its vae has latents of 16",
    ),
    "unsupported input": (
        lambda folder: _edit(folder / "unet" / "config.json", addition_embed_type="image"),
        "has addition_embed_type='image', which this version does not support",
    ),
    "no weights": (lambda folder: (folder / "unet" / WEIGHTS).unlink(), "unet.*safetensors is missing; pickled"),
    "no configuration": (lambda folder: (folder / "vae" / "config.json").unlink(), "vae.*config.json is missing"),
    "truncated weights": (lambda folder: _truncate(folder / "unet" / WEIGHTS), "unet.*safetensors is damaged"),
    "no tokenizer": (lambda folder: shutil.rmtree(folder / "tokenizer"), "tokenizer is missing"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_bad_folder_is_refused(folder: Path, fault: str) -> None:
    damage, message = FAULTS[fault]
    damage(folder)
    with pytest.raises(ModelError, match=message):
        load_model(folder)


def test_misfit_weights_are_refused(folder: Path) -> None:
    path = folder / "unet" / WEIGHTS
    weights = load_file(path)
    save_file({name: weight for name, weight in weights.items() if name != "conv_in.weight"}, path)
    with pytest.raises(ModelError, match=r"1 weights are missing or have another shape, for example conv_in.weight"):
        _ = load_model(folder).denoiser
    save_file(weights | {"conv_in.weight": torch.zeros(3, 3)}, path)
    with pytest.raises(ModelError, match=r"conv_in\.weight"):
        _ = load_model(folder).denoiser


@pytest.mark.parametrize("component", ["unet", "vae", "text_encoder"])
@pytest.mark.parametrize("bad", [float("nan"), float("-inf")])
def test_weights_that_are_no_numbers(folder: Path, component: str, bad: float) -> None:
    path = folder / component / ("model.safetensors" if component == "text_encoder" else WEIGHTS)
    weights = load_file(path)
    name = max(weights, key=lambda each: weights[each].numel())
    weights[name].view(-1)[-1] = bad
    save_file(weights, path, metadata={"format": "pt"})
    with pytest.raises(ModelError, match="holds NaN or infinity in"):
        load_model(folder).read_network(component)


def test_pickled_weights_are_refused(folder: Path) -> None:
    path = folder / "text_encoder" / "model.safetensors"
    torch.save(load_file(path), path.with_name("pytorch_model.bin"))
    path.unlink()
    with pytest.raises(ModelError, match="pickled weights"):
        load_model(folder)


def test_broken_tokenizer_is_refused(folder: Path) -> None:
    for path in (folder / "tokenizer").iterdir():
        path.write_text("{")
    with pytest.raises(ModelError, match=r"tokenizer .*can't be read"):
        _ = load_model(folder).tokenizer


def test_quick_imports_leave_no_trace(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.partition(".")[0] == "scipy"]:
        monkeypatch.delitem(sys.modules, name)
    assert importlib.util.find_spec("scipy"), "it is installed"
    assert gc.isenabled()
    with quick_imports():
        assert importlib.util.find_spec("scipy") is None, "libraries that ask for it are told that it is not there"
        assert not gc.isenabled()
    assert gc.isenabled()
    assert importlib.util.find_spec("scipy")


def test_shipped_model_is_checked() -> None:
    model = load_model(SHIPPED)
    assert (model.name, model.factor, model.latent_channels) == ("shipped", 8, 24)
    assert model.sees_source
