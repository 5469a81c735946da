"""A hub on this machine with tiny models, and a store of models of its own for each test."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from presets.model_catalogue import CATALOGUE, TINY_AUTOENCODERS
from presets.model_store import FOLDER_VARIABLE
from tests.daemon.models.hub_server import HubServer, hub_server
from tests.tiny_autoencoders import kl_autoencoder

PERFLOW = CATALOGUE["perflow-sd15"].hub_id
TAESD = TINY_AUTOENCODERS["taesd"].hub_id


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Folder of models of this test. It does not exist yet."""
    folder = tmp_path / "store"
    monkeypatch.setenv(FOLDER_VARIABLE, str(folder))
    return folder


@pytest.fixture(scope="session")
def full_autoencoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of an `AutoencoderKL` for the latents of the PeRFlow model. Read-only."""
    folder = tmp_path_factory.mktemp("full") / "vae"
    kl_autoencoder(4).save_pretrained(folder)
    return folder


@pytest.fixture
def repositories(tmp_path: Path, perflow_folder: Path, full_autoencoder: Path) -> dict[str, Path]:
    """Folders of a model as PeRFlow's authors publish one, and of a tiny autoencoder."""
    model, vae = tmp_path / "hub" / "model", tmp_path / "hub" / "vae"
    shutil.copytree(perflow_folder, model)
    (model / "vae").rename(vae)
    shutil.copytree(full_autoencoder, model / "vae")
    (model / "full_autoencoder.json").unlink()
    # Its scheduler is another than the stream's, and it has no tiny autoencoder: the catalogue has both put in.
    index = json.loads((model / "model_index.json").read_text())
    index |= {
        "scheduler": ["diffusers", "DEISMultistepScheduler"],
        "vae": ["diffusers", "AutoencoderKL"],
        "safety_checker": ["stable_diffusion", "StableDiffusionSafetyChecker"],
    }
    (model / "model_index.json").write_text(json.dumps(index))
    (model / "scheduler" / "scheduler_config.json").write_text('{"_class_name": "DEISMultistepScheduler"}')
    (model / "safety_checker").mkdir()
    (model / "safety_checker" / "model.safetensors").write_bytes(b"never taken")
    (model / "README.md").write_text("---\nlicense: cc-by-nc-4.0\n---\n")
    (model / "LICENSE.md").write_text("Attribution-NonCommercial 4.0 International\n")
    (vae / "taesd_decoder.safetensors").write_bytes(b"never taken")
    return {PERFLOW: model, TAESD: vae}


@pytest.fixture
def hub(repositories: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> Iterator[HubServer]:
    """A hub with these repositories, which this process is allowed to ask."""
    from huggingface_hub import constants

    with hub_server() as server:
        server.repositories |= repositories
        # It read its environment when it was imported.
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
        monkeypatch.setattr(constants, "ENDPOINT", server.url)
        template = f"{server.url}/{{repo_id}}/resolve/{{revision}}/{{filename}}"
        monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
        monkeypatch.setattr(constants, "DOWNLOAD_CHUNK_SIZE", 1000)  # it loses what is not a whole chunk
        for name in ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE", "HF_TOKEN"):
            monkeypatch.delenv(name, raising=False)
        yield server
