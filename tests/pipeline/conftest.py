"""A tiny model folder with random weights and the classes of the shipped model, and what is built from it."""

import json
import os
import string
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import torch

if TYPE_CHECKING:
    from pipeline.accelerators.engines import Engines, Preparation
    from pipeline.models import Model

ALPHABET = [*string.ascii_lowercase, *string.digits]


def write_tiny_model(folder: Path, vae_blocks: tuple[int, ...] = (1, 1, 1, 1), **unet_settings: Any) -> None:
    """Write the tiny model in diffusers format: 64 × 64 pixels, 8 × 8 latents, 12 tokens.

    Args:
        folder: Folder to write.
        vae_blocks: Residual blocks of the autoencoder at each size.
        unet_settings: Settings of the UNet that differ.
    """
    from diffusers import AutoencoderTiny, FlowMatchEulerDiscreteScheduler

    with torch.random.fork_rng():
        torch.manual_seed(11)
        unet = _tiny_unet(unet_settings)
        vae = AutoencoderTiny(
            encoder_block_out_channels=(8, 8, 8, 8),
            decoder_block_out_channels=(8, 8, 8, 8),
            num_encoder_blocks=vae_blocks,
            num_decoder_blocks=vae_blocks,
        )
        tokens = ["<|startoftext|>", "<|endoftext|>", *ALPHABET, *(f"{letter}</w>" for letter in ALPHABET)]
        text_encoder = _tiny_text_encoder(len(tokens))
    unet.save_pretrained(folder / "unet")
    vae.save_pretrained(folder / "vae")
    text_encoder.save_pretrained(folder / "text_encoder")
    _write_tokenizer(folder / "tokenizer", tokens)
    FlowMatchEulerDiscreteScheduler().save_pretrained(folder / "scheduler")
    index: dict[str, Any] = {
        "_class_name": "DiffusionPipeline",
        "scheduler": ["diffusers", "FlowMatchEulerDiscreteScheduler"],
        "text_encoder": ["transformers", "CLIPTextModel"],
        "tokenizer": ["transformers", "CLIPTokenizer"],
        "unet": ["diffusers", "UNet2DConditionModel"],
        "vae": ["diffusers", "AutoencoderTiny"],
    }
    (folder / "model_index.json").write_text(json.dumps(index))


def write_least_model(folder: Path) -> None:
    """Write the tiny model with a network of one block each way, for tests of what is around the network."""
    write_tiny_model(
        folder,
        vae_blocks=(0, 0, 0, 1),
        block_out_channels=(8,),
        down_block_types=("DownBlock2D",),
        up_block_types=("UpBlock2D",),
        norm_num_groups=4,
    )


def _tiny_unet(settings: dict[str, Any]) -> torch.nn.Module:
    from diffusers import UNet2DConditionModel

    standard = {
        "sample_size": 8,
        "in_channels": 4,
        "out_channels": 4,
        "block_out_channels": (16, 32),
        "layers_per_block": 1,
        # Every further attention adds seconds to each export and each compilation.
        "down_block_types": ("DownBlock2D", "DownBlock2D"),
        "mid_block_type": "UNetMidBlock2DCrossAttn",
        "up_block_types": ("UpBlock2D", "UpBlock2D"),
        "norm_num_groups": 8,
        "attention_head_dim": 4,
        "cross_attention_dim": 16,
    }
    unet = UNet2DConditionModel(**standard | settings)
    with torch.no_grad():
        # In a random network conditioning has little effect, so its weights are scaled up.
        for name, weight in unet.named_parameters():
            if "attn2.to_v" in name or "attn2.to_out.0.weight" in name:
                weight.mul_(8.0)
            elif name == "conv_in.weight":
                weight[:, 4:].mul_(8.0)
    return unet


def _tiny_text_encoder(vocabulary: int) -> torch.nn.Module:
    from transformers import CLIPTextConfig, CLIPTextModel

    return CLIPTextModel(
        CLIPTextConfig(
            vocab_size=vocabulary,
            hidden_size=16,
            intermediate_size=32,
            num_hidden_layers=1,
            num_attention_heads=2,
            max_position_embeddings=12,
            bos_token_id=0,
            eos_token_id=1,
            pad_token_id=1,
        )
    )


def _write_tokenizer(folder: Path, tokens: list[str]) -> None:
    from transformers import CLIPTokenizer

    folder.mkdir(parents=True)
    (folder / "vocab.json").write_text(json.dumps({token: number for number, token in enumerate(tokens)}))
    (folder / "merges.txt").write_text("#version: 0.2\n")
    CLIPTokenizer.from_pretrained(folder, model_max_length=12).save_pretrained(folder)


@pytest.fixture(scope="session")
def shared_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An engine cache of all tests of this run. Keys are of contents, so that equal autoencoders are exported once."""
    if "PYTEST_XDIST_WORKER" not in os.environ:
        return tmp_path_factory.mktemp("engines")
    return tmp_path_factory.getbasetemp().parent / "engines"


@pytest.fixture
def preparation(shared_cache: Path, monkeypatch: pytest.MonkeyPatch) -> "Preparation":
    """Preparation in float32 of one row and of three, with the cache of all tests."""
    from pipeline.accelerators.engines import Preparation

    monkeypatch.setattr(torch, "set_num_threads", lambda count: None)  # a setting of the whole process
    return Preparation(lambda text, fraction: None, threads=1, cache=shared_cache, precision="float32", sizes=(1, 3))


@pytest.fixture(scope="session", autouse=True)
def _one_thread() -> None:
    """Limit torch to one thread: the networks are tiny, and threads that wait for each other are slow under load."""
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def tiny_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny model's folder. Read-only for tests: copy it to change it."""
    folder = tmp_path_factory.mktemp("tiny") / "model"
    write_tiny_model(folder)
    return folder


@pytest.fixture(scope="session")
def least_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of `write_least_model`. Read-only for tests: copy it to change it."""
    folder = tmp_path_factory.mktemp("least") / "model"
    write_least_model(folder)
    return folder


@pytest.fixture(scope="session")
def source_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny model that sees its source, pools the text and has scales by time. Read-only: copy it to change it.

    It has one block, so that it is quick to export and to compile: the attention block of the tiny model, with the same
    numbers of channels, so that torch compiles it once for both (`test_compiled`).
    """
    from pipeline.diffusers_schedulers import PeRFlowScheduler

    folder = tmp_path_factory.mktemp("source") / "model"
    write_tiny_model(
        folder,
        in_channels=8,
        block_out_channels=(32,),
        down_block_types=("CrossAttnDownBlock2D",),
        up_block_types=("CrossAttnUpBlock2D",),
        norm_num_groups=16,
        addition_embed_type="text",
        addition_embed_type_num_heads=4,
        resnet_time_scale_shift="scale_shift",
    )
    PeRFlowScheduler().save_pretrained(folder / "scheduler")
    for file, changed in (
        ("model_index.json", {"scheduler": ["diffusers", "PeRFlowScheduler"]}),
        ("vae/config.json", {"scaling_factor": 0.4}),
    ):
        path = folder / file
        path.write_text(json.dumps(json.loads(path.read_text()) | changed))
    _scale_autoencoder(folder / "vae" / "diffusion_pytorch_model.safetensors")
    return folder


def _scale_autoencoder(path: Path) -> None:
    """Scale weights up: a random encoder hardly distinguishes two pictures, and a random decoder two latents."""
    from safetensors.torch import load_file, save_file

    factors = {"encoder": 2.5, "decoder": 1.5}
    weights = {
        name: weight * (factors[name.partition(".")[0]] if name.endswith("weight") else 1.0)
        for name, weight in load_file(path).items()
    }
    save_file(weights, path, metadata={"format": "pt"})


@pytest.fixture(scope="session")
def onnx_cache(tiny_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache with the tiny model's ONNX files, which take seconds to export. Read-only: copy it to change it."""
    from pipeline.accelerators.engines import Shapes
    from pipeline.accelerators.onnx_files import exported_files
    from pipeline.models import load_model

    def export(root: Path) -> None:
        shapes = Shapes(64, 64, (4, 8, 8), (12, 16), 10)
        with exported_files(load_model(tiny_folder), shapes, lambda text, fraction: None, root):
            pass

    return made_once(tmp_path_factory, "onnx-cache", export)


def made_once(factory: pytest.TempPathFactory, name: str, make: Callable[[Path], None]) -> Path:
    """Return a folder that one of the processes of this run makes for all of them."""
    if "PYTEST_XDIST_WORKER" not in os.environ:
        folder = factory.mktemp(name)
        make(folder)
        return folder
    folder = factory.getbasetemp().parent / name
    done = folder.with_name(f"{name}-done")
    try:
        folder.mkdir()
    except FileExistsError:
        while not done.exists():
            time.sleep(0.1)
        return folder
    make(folder)
    done.touch()
    return folder


@pytest.fixture(scope="module")
def tiny(tiny_folder: Path) -> "Model":
    """The tiny model, loaded once for each module."""
    from pipeline.models import load_model

    return load_model(tiny_folder)


@pytest.fixture(scope="module")
def reference(tiny: "Model") -> "Engines":
    """The tiny model in eager torch, the reference of all accelerators."""
    from pipeline.accelerators import eager
    from pipeline.accelerators.engines import Preparation, Shapes

    return eager.build(tiny, Shapes(64, 64, (4, 8, 8), (12, 16), 10), Preparation(lambda text, fraction: None))
