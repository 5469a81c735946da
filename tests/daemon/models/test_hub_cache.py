"""Pulls without a network, from the cache that huggingface_hub fills for other programs."""

import hashlib
import os
import shutil
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from daemon.models import hub_cache
from daemon.models.hub_cache import CachedRepository
from daemon.models.inspection import inspect_model
from daemon.models.pull import pull, pull_request
from presets.errors import ModelError
from presets.model_catalogue import TINY_AUTOENCODERS
from presets.model_record import read_record
from tests.daemon.models.conftest import PERFLOW, TAESD
from tests.daemon.models.hub_server import COMMIT, git_sha1

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="links need a permission there")
UNET = "unet/diffusion_pytorch_model.safetensors"


@pytest.fixture
def cache(tmp_path: Path, repositories: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache with both repositories, laid out as huggingface_hub does: blobs by checksum, and links to them."""
    folder = tmp_path / "cache"
    for hub_id, commit in ((PERFLOW, COMMIT), (TAESD, TINY_AUTOENCODERS["taesd"].revision)):
        place = folder / f"models--{hub_id.replace('/', '--')}"
        (place / "refs").mkdir(parents=True)
        (place / "refs" / "main").write_text(commit)
        (place / "blobs").mkdir()
        for path in repositories[hub_id].rglob("*"):
            if path.is_file():
                data = path.read_bytes()
                name = hashlib.sha256(data).hexdigest() if path.suffix == ".safetensors" else git_sha1(data)
                (place / "blobs" / name).write_bytes(data)
                link = place / "snapshots" / commit / path.relative_to(repositories[hub_id])
                link.parent.mkdir(parents=True, exist_ok=True)
                link.symlink_to(os.path.relpath(place / "blobs" / name, link.parent))
    monkeypatch.setattr(hub_cache, "_cache", lambda: folder)
    return folder


def pull_offline(store: Path, name: str = "perflow-sd15") -> Path:
    request = replace(pull_request(name), offline=True)
    return pull(request, store, lambda text: None, lambda count: None, lambda count: None)


def test_cached_model_is_pulled(cache: Path, store: Path, repositories: dict[str, Path]) -> None:
    folder = pull_offline(store)
    assert (folder / UNET).read_bytes() == (repositories[PERFLOW] / UNET).read_bytes()
    assert not (folder / UNET).is_symlink()
    record = read_record(folder)
    assert record is not None
    assert [each.revision for each in record.sources[:2]] == [COMMIT, TINY_AUTOENCODERS["taesd"].revision]
    assert inspect_model(folder, thorough=True).is_good


def test_damaged_blob_is_noticed(cache: Path, store: Path) -> None:
    blob = (cache / f"models--{PERFLOW.replace('/', '--')}" / "snapshots" / COMMIT / UNET).resolve()
    blob.write_bytes(blob.read_bytes()[:-1] + b"?")
    with pytest.raises(ModelError, match=f"{UNET} came wrong: its SHA-256 is"):
        pull_offline(store)


def test_cache_without_links(cache: Path, store: Path) -> None:
    """Windows has no links for everyone: the cache holds plain files, whose checksums are not known."""
    snapshot = cache / f"models--{PERFLOW.replace('/', '--')}" / "snapshots" / COMMIT
    copy = snapshot.with_name("copy")
    shutil.copytree(snapshot, copy, symlinks=False)
    shutil.rmtree(snapshot)
    copy.rename(snapshot)
    assert inspect_model(pull_offline(store), thorough=True).is_good


def test_parts_the_cache_lacks(cache: Path, store: Path) -> None:
    with pytest.raises(
        ModelError, match=r"does not hold stabilityai/sd-turbo at b261bac6fd2c\. Pull it without --offline"
    ):
        pull_offline(store, "sd-turbo")
    shutil.rmtree(cache / f"models--{TAESD.replace('/', '--')}")
    with pytest.raises(ModelError, match="does not hold madebyollin/taesd at 614f76814bbe"):
        pull_offline(store)
    (cache / f"models--{PERFLOW.replace('/', '--')}" / "refs" / "main").write_text("../../elsewhere")
    with pytest.raises(ModelError, match=r"does not hold hansyan/perflow-sd15-dreamshaper\. Pull"):
        CachedRepository(PERFLOW, "", cache)
