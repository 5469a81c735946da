"""Models with a full and a tiny autoencoder: a preset chooses, and a folder without the chosen one is refused."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import AutoencoderTiny
from numpy.typing import NDArray
from tiny_folders import SIDE, write_family_folder

from pipeline.image_stream import ImageStream
from pipeline.models import load_model
from presets.build import Build
from presets.errors import ModelError
from presets.files import parse_preset
from presets.frame_parameters import without_morph
from presets.parameter_table import snapshot

BLOCKS = (8,) * 4


@pytest.fixture(scope="module")
def full(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with its full autoencoder alone. Read-only."""
    return write_family_folder("stable-diffusion", tmp_path_factory.mktemp("full") / "model")


@pytest.fixture(scope="module")
def both(full: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same folder with a tiny autoencoder beside the full one. Read-only."""
    folder = tmp_path_factory.mktemp("both") / "model"
    shutil.copytree(full, folder)
    put_tiny(folder)
    return folder


def put_tiny(folder: Path, component: str = "vae_tiny", channels: int = 4) -> None:
    with torch.random.fork_rng():
        torch.manual_seed(5)
        tiny = AutoencoderTiny(
            encoder_block_out_channels=BLOCKS, decoder_block_out_channels=BLOCKS, latent_channels=channels
        )
    tiny.save_pretrained(folder / component)
    path = folder / "model_index.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {component: ["diffusers", "AutoencoderTiny"]}))


def draw(folder: Path, autoencoder: str) -> NDArray[np.uint8]:
    """Draw a picture by a preset that names the folder and one of its autoencoders."""
    lines = f"model: {folder}\nautoencoder: {autoencoder}\nwidth: {SIDE}\nheight: {SIDE}\naccelerator: eager\nsteps: 4"
    parameters = snapshot(parse_preset(lines.encode(), "look.yaml").addresses())
    images = ImageStream.build(Build.of(parameters, threads=1), lambda text, fraction: None)
    moment = without_morph(parameters)
    source = np.random.default_rng(1).integers(0, 256, (SIDE, SIDE, 3), np.uint8)
    images.admit(source, moment, images.encode(moment.wording))
    (picture,) = [each.pixels for _ in range(5) for each in images.step()]
    return np.array(picture)


def test_preset_chooses_the_autoencoder(both: Path, full: Path, tmp_path: Path) -> None:
    """Each picture is that of a folder with the one autoencoder alone."""
    tiny = tmp_path / "tiny"
    shutil.copytree(full, tiny)
    shutil.rmtree(tiny / "vae")
    put_tiny(tiny, "vae")
    pictures = {kind: draw(both, kind) for kind in ("auto", "tiny", "full")}
    assert np.abs(pictures["full"].astype(int) - pictures["tiny"]).mean() > 5
    assert (pictures["auto"] == pictures["tiny"]).all()
    assert (pictures["tiny"] == draw(tiny, "auto")).all()
    assert (pictures["full"] == draw(full, "auto")).all()


def test_engines_of_one_are_not_the_others(both: Path, full: Path) -> None:
    tiny, own = load_model(both, autoencoder="tiny"), load_model(both, autoencoder="full")
    assert tiny.fingerprint == load_model(both).fingerprint != own.fingerprint
    assert own.fingerprint == load_model(full).fingerprint
    assert own.configurations["vae"]["scaling_factor"] == 0.3


def test_folder_without_the_chosen_one(full: Path) -> None:
    assert load_model(full, autoencoder="full").classes["vae"] == "AutoencoderKL"
    with pytest.raises(ModelError, match=r"has no tiny autoencoder\. Get one by: .* models adopt .*model --name"):
        load_model(full, autoencoder="tiny")
    with pytest.raises(ModelError, match="The shipped model has one autoencoder alone"):
        load_model(autoencoder="tiny")


def test_no_tiny_one_of_these_latents(tmp_path: Path) -> None:
    folder = write_family_folder("sana", tmp_path / "model")
    with pytest.raises(ModelError, match="knows none with latents of 32 channels by 32 pixels"):
        load_model(folder, autoencoder="tiny")


@pytest.mark.parametrize("wanted", ["auto", "tiny", "full"])
def test_autoencoders_of_two_families(wanted: str, full: Path, tmp_path: Path) -> None:
    folder = tmp_path / "model"
    shutil.copytree(full, folder)
    put_tiny(folder, channels=16)
    sentence = "vae_tiny has 16 channels by 8 pixels and vae has 4 channels by 8 pixels): one is of another family"
    with pytest.raises(ModelError) as refused:
        load_model(folder, autoencoder=wanted)
    assert sentence in str(refused.value)
