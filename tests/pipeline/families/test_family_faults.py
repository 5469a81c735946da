"""Folders of the families: sharded and half weights load, parts may be absent, and every fault is refused."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from tiny_folders import FAMILIES, write_family_folder

from pipeline.families.family_table import FAMILIES as TABLE
from pipeline.image_stream import ImageStream
from pipeline.models import load_model
from pipeline.solvers import SCHEDULERS
from presets.build import Build
from presets.errors import ModelError

WEIGHTS = "diffusion_pytorch_model.safetensors"
INDEX = f"{WEIGHTS}.index.json"


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("families")
    return {
        family: write_family_folder(family, root / family)
        for family in ("sdxl", "sd3", "flux", "sana", "flux2", "z-image")
    }


@pytest.fixture
def sd3(folders: dict[str, Path], tmp_path: Path) -> Path:
    return Path(shutil.copytree(folders["sd3"], tmp_path / "model"))


def edit(path: Path, **changes: object) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def split_weights(folder: Path, suffix: str = "") -> dict[str, str]:
    """Write the weights of a component as two shards with an index. Return the shard of each weight."""
    whole = load_file(folder / WEIGHTS)
    (folder / WEIGHTS).unlink()
    names = sorted(whole)
    halves = {f"part-{place}-of-2{suffix}.safetensors": names[place::2] for place in (0, 1)}
    for file, held in halves.items():
        save_file({name: whole[name] for name in held}, folder / file, metadata={"format": "pt"})
    placed = {name: file for file, held in halves.items() for name in held}
    index = WEIGHTS + ".index.json" if not suffix else f"{WEIGHTS}.index{suffix}.json"
    (folder / index).write_text(json.dumps({"metadata": {}, "weight_map": placed}))
    return placed


@pytest.mark.parametrize("suffix", ["", ".fp16"])
def test_sharded_weights_load(sd3: Path, suffix: str) -> None:
    expected = load_model(sd3).denoiser.state_dict()
    split_weights(sd3 / "transformer", suffix)
    model = load_model(sd3)
    assert len(model.weights["transformer"]) == 2
    found = model.denoiser.state_dict()
    assert all(torch.equal(weight, expected[name]) for name, weight in found.items())
    before = model.fingerprint
    shard = model.weights["transformer"][1]
    weights = load_file(shard)
    next(iter(weights.values())).view(-1)[0] += 1
    save_file(weights, shard, metadata={"format": "pt"})
    assert load_model(sd3).fingerprint != before


def test_sd3_without_t5(sd3: Path) -> None:
    from diffusers import StableDiffusion3Pipeline

    whole = load_model(sd3).text()("neon fire")
    for part in ("text_encoder_3", "tokenizer_3"):
        shutil.rmtree(sd3 / part)
    edit(sd3 / "model_index.json", text_encoder_3=[None, None], tokenizer_3=[None, None])
    found = load_model(sd3).text()("neon fire")
    pipe = StableDiffusion3Pipeline.from_pretrained(sd3, text_encoder_3=None, tokenizer_3=None, local_files_only=True)
    expected, _, pooled, _ = pipe.encode_prompt("neon fire", None, None, do_classifier_free_guidance=False)
    assert (found.embeds - expected[0]).abs().max() < 1e-5
    assert found.pooled is not None
    assert (found.pooled - pooled[0]).abs().max() < 1e-5
    assert found.shape == whole.shape
    assert not torch.equal(found.embeds, whole.embeds)


FAULTS: dict[str, tuple[str, Callable[[Path], object], str]] = {
    "missing shard": (
        "sd3",
        lambda folder: (folder / "transformer" / split_weights(folder / "transformer").popitem()[1]).unlink(),
        r"transformer.part-.-of-2.safetensors is missing",
    ),
    "shard elsewhere": (
        "sd3",
        lambda folder: (
            split_weights(folder / "transformer"),
            edit(folder / "transformer" / INDEX, weight_map={"one": "../../secret.safetensors"}),
        ),
        "shards are .safetensors files beside their index",
    ),
    "pickled shard": (
        "sd3",
        lambda folder: (
            split_weights(folder / "transformer"),
            edit(folder / "transformer" / INDEX, weight_map={"one": "pytorch_model.bin"}),
        ),
        "shards are .safetensors files beside their index",
    ),
    "empty index": (
        "sd3",
        lambda folder: (
            split_weights(folder / "transformer"),
            edit(folder / "transformer" / INDEX, weight_map={}),
        ),
        "names no weights",
    ),
    "latents of another autoencoder": (
        "sd3",
        lambda folder: edit(folder / "vae" / "config.json", latent_channels=4),
        "takes 16 channels and returns 16; its vae has latents of 4",
    ),
    "fill": (
        "flux",
        lambda folder: edit(folder / "transformer" / "config.json", in_channels=64),
        "so FLUX.1 takes 16. Fill, Canny and Depth variants take others",
    ),
    "kontext": (
        "flux",
        lambda folder: edit(folder / "model_index.json", _class_name="FluxKontextPipeline"),
        "is a FluxKontextPipeline: it edits a source that its network sees",
    ),
    "klein with kept keys and values": (
        "flux2",
        lambda folder: edit(folder / "model_index.json", _class_name="Flux2KleinKVPipeline"),
        "is a Flux2KleinKVPipeline: its network reads the source once",
    ),
    "no second text encoder": (
        "flux",
        lambda folder: edit(folder / "model_index.json", text_encoder_2=None),
        "names no text_encoder_2; FLUX.1 needs one",
    ),
    "text encoder of another family": (
        "sana",
        lambda folder: edit(folder / "model_index.json", text_encoder=["transformers", "CLIPTextModel"]),
        "The text_encoder of .* is a CLIPTextModel; this version supports Gemma2Model",
    ),
    "no text encoder": (
        "z-image",
        lambda folder: edit(folder / "model_index.json", text_encoder=[None, None]),
        "The text_encoder of .* is a None; this version supports Qwen3Model or Qwen3ForCausalLM",
    ),
    "channels of another autoencoder": (
        "z-image",
        lambda folder: edit(folder / "transformer" / "config.json", in_channels=8),
        "takes 8 channels and returns 8; its vae has latents of 16",
    ),
    "omni": (
        "z-image",
        lambda folder: edit(folder / "transformer" / "config.json", siglip_feat_dim=1152),
        "has siglip_feat_dim=1152; this version supports None. Omni variants have others",
    ),
    "positions on two axes": (
        "z-image",
        lambda folder: edit(folder / "transformer" / "config.json", axes_lens=[1024, 64]),
        r"has axes_lens=\[1024, 64\]; it must be three whole numbers",
    ),
    "text encoder of another size": (
        "z-image",
        lambda folder: edit(folder / "text_encoder" / "config.json", hidden_size=24),
        r"reads texts of width 16 \(cap_feat_dim\), and the text_encoder gives 24",
    ),
    "films": (
        "flux",
        lambda folder: edit(folder / "model_index.json", transformer=["diffusers", "SanaVideoTransformer3DModel"]),
        "is a SanaVideoTransformer3DModel: it draws films",
    ),
    "FLUX.2-dev": (
        "flux2",
        lambda folder: edit(folder / "transformer" / "config.json", guidance_embeds=True),
        "takes guidance as an input, as FLUX.2-dev; this version plays FLUX.2-klein",
    ),
    "Mistral": (
        "flux2",
        lambda folder: edit(
            folder / "model_index.json", text_encoder=["transformers", "Mistral3ForConditionalGeneration"]
        ),
        "is a Mistral3ForConditionalGeneration; this version supports Qwen3Model or Qwen3ForCausalLM",
    ),
    "autoencoder without patches": (
        "flux2",
        lambda folder: edit(folder / "model_index.json", vae=["diffusers", "AutoencoderKL"]),
        "takes 16 channels and returns 16; its vae has latents of 4. FLUX.2 needs its own, AutoencoderKLFlux2",
    ),
    "text encoder of few layers": (
        "flux2",
        lambda folder: edit(folder / "text_encoder" / "config.json", num_hidden_layers=4),
        "The text_encoder has 4 layers; FLUX.2-klein reads 27 of them",
    ),
    "text encoder of another klein": (
        "flux2",
        lambda folder: edit(folder / "transformer" / "config.json", joint_attention_dim=60),
        r"reads texts of width 60 \(joint_attention_dim\), and the text_encoder gives 48",
    ),
    "scheduler of another family": (
        "sana",
        lambda folder: edit(folder / "model_index.json", scheduler=["diffusers", "PeRFlowScheduler"]),
        "The scheduler of .* is a PeRFlowScheduler, with which SANA-Sprint draws noise; SCMScheduler fits",
    ),
    "scheduler of UNets": (
        "sd3",
        lambda folder: edit(folder / "model_index.json", scheduler=["diffusers", "LCMScheduler"]),
        "with which Stable Diffusion 3 draws noise; FlowMatchEulerDiscreteScheduler or FlowMatchEulerScheduler fits",
    ),
    "foreign code": (
        "flux",
        lambda folder: edit(folder / "model_index.json", transformer=["os", "system"]),
        "is a system; this version supports SD3Transformer2DModel or FluxTransformer2DModel",
    ),
    "text width is no number": (
        "flux",
        lambda folder: edit(folder / "transformer" / "config.json", joint_attention_dim="wide"),
        "transformer has joint_attention_dim='wide'; it must be a whole number",
    ),
    "autoencoder without stages": (
        "sdxl",
        lambda folder: edit(folder / "vae" / "config.json", block_out_channels=[]),
        r"has latent_channels=4 and block_out_channels=\[\]",
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_bad_folder_is_refused(folders: dict[str, Path], tmp_path: Path, fault: str) -> None:
    family, damage, message = FAULTS[fault]
    folder = Path(shutil.copytree(folders[family], tmp_path / "model"))
    damage(folder)
    with pytest.raises(ModelError, match=message):
        _ = load_model(folder).conditioning


def test_contradiction_is_refused(folders: dict[str, Path], tmp_path: Path) -> None:
    """diffusers asserts that the axes fill a head, without a word."""
    folder = Path(shutil.copytree(folders["z-image"], tmp_path / "model"))
    edit(folder / "transformer" / "config.json", axes_dims=[4, 6, 8])
    with pytest.raises(ModelError, match=r"can't be loaded: its config.json contradicts itself"):
        _ = load_model(folder).denoiser


def test_missing_statistics_are_refused(folders: dict[str, Path], tmp_path: Path) -> None:
    folder = Path(shutil.copytree(folders["flux2"], tmp_path / "model"))
    weights = load_file(folder / "vae" / WEIGHTS)
    del weights["bn.running_var"]
    save_file(weights, folder / "vae" / WEIGHTS, metadata={"format": "pt"})
    with pytest.raises(ModelError, match=r"does not fit its config.json: 1 weights are missing"):
        _ = load_model(folder).autoencoder


CHAT_FAULTS: dict[str, tuple[str | None, str]] = {
    "none": (None, "has no chat template, through which its Qwen 3 reads texts"),
    "broken": ("{% for %}", "chat template of this model's tokenizer can't be used"),
    "refuses": ("{{ raise_exception('no users') }}", "can't be used: no users"),
}


@pytest.mark.parametrize("fault", CHAT_FAULTS)
def test_bad_chat_template_is_refused(folders: dict[str, Path], tmp_path: Path, fault: str) -> None:
    template, message = CHAT_FAULTS[fault]
    folder = Path(shutil.copytree(folders["z-image"], tmp_path / "model"))
    (folder / "tokenizer" / "chat_template.jinja").unlink()
    if template is not None:
        (folder / "tokenizer" / "chat_template.jinja").write_text(template)
    with pytest.raises(ModelError, match=message):
        load_model(folder).text()


def test_too_large_size_is_refused(folders: dict[str, Path]) -> None:
    build = Build(model=str(folders["sd3"]), width=512, height=512, accelerator="eager", threads=1)
    with pytest.raises(ModelError, match="draws at most 128 pixels a side; 512 × 512 is more"):
        ImageStream.build(build, lambda text, fraction: None)


def test_every_scheduler_fits_a_family() -> None:
    assert {name for family in TABLE for name in family.schedulers} == set(SCHEDULERS)


def test_every_family_has_a_folder() -> None:

    titles = {"stable-diffusion": "Stable Diffusion", "sdxl": "SDXL", "sd3": "Stable Diffusion 3"}
    titles |= {"flux": "FLUX.1", "sana": "SANA-Sprint", "z-image": "Z-Image", "flux2": "FLUX.2"}
    titles |= {"hunyuan-image": "HunyuanImage"}
    assert {family.title for family in TABLE} == set(titles.values())
    assert set(titles) <= set(FAMILIES)
