"""Pulls that are refused: wrong checksums, refusals of the hub, hostile listings, repositories that are no models."""

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from daemon.models import assembly
from daemon.models.inspection import inspect_model
from daemon.models.pull import pull_request
from presets.errors import ModelError
from presets.model_store import stored_models
from tests.daemon.models.conftest import PERFLOW
from tests.daemon.models.hub_server import HubServer
from tests.daemon.models.tally import Tally

UNET = "unet/diffusion_pytorch_model.safetensors"


def test_wrong_checksum_is_never_published(hub: HubServer, store: Path) -> None:
    hub.faults.flip.add(UNET)
    with pytest.raises(ModelError, match=f"{UNET} came wrong: its SHA-256 is"):
        Tally().pull("perflow-sd15", store)
    assert list(stored_models(store)) == []
    hub.faults.flip.clear()
    assert inspect_model(Tally().pull("perflow-sd15", store), thorough=True).is_good


def test_longer_file_than_listed(hub: HubServer, store: Path) -> None:
    hub.faults.longer.add(UNET)
    with pytest.raises(ModelError, match=f"{UNET} is longer than its"):
        Tally().pull("perflow-sd15", store)
    assert list(stored_models(store)) == []


def test_wrong_checksum_of_a_small_file(hub: HubServer, store: Path) -> None:
    hub.faults.flip.add("tokenizer/tokenizer_config.json")
    with pytest.raises(ModelError, match=r"tokenizer_config\.json came wrong: its checksum is"):
        Tally().pull("perflow-sd15", store)


def test_truncated_weights_of_the_publisher(hub: HubServer, store: Path, repositories: dict[str, Path]) -> None:
    """The checksum is right and the file is not: it was cut off before it was published."""
    path = repositories[PERFLOW] / UNET
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(ModelError, match=f"is damaged where it is published: {UNET} is cut off"):
        Tally().pull("perflow-sd15", store)
    assert list(stored_models(store)) == []


STATUSES = {
    "gated": ((401, "GatedRepo"), "is gated: accept its licence at http://127.0.0.1.*token"),
    "gated, asked with a token": ((403, "GatedRepo"), "is gated: accept its licence"),
    "no permission": ((401, ""), r"refuses hansyan/perflow-sd15-dreamshaper \(401\): it is gated or private"),
    "not there": ((404, "RepoNotFound"), "There is no repository hansyan/perflow-sd15-dreamshaper on http"),
    "broken": ((500, ""), "answers 500"),
}


@pytest.mark.parametrize("case", STATUSES)
def test_refusals_of_the_hub(hub: HubServer, store: Path, case: str) -> None:
    hub.faults.status[PERFLOW], sentence = STATUSES[case]
    with pytest.raises(ModelError, match=sentence):
        Tally().pull("perflow-sd15", store)
    assert not store.exists()


def test_revision_that_is_gone(hub: HubServer, store: Path) -> None:
    with pytest.raises(ModelError, match="has no commit gone any more"):
        Tally().pull(replace(pull_request("perflow-sd15"), revision="gone"), store)


def test_no_hub_at_all(hub: HubServer, store: Path) -> None:
    hub.stop()
    with pytest.raises(ModelError, match="can't be reached, or the connection was lost"):
        Tally().pull("perflow-sd15", store)


ANSWERS = {
    "no JSON": b"<html>log in to the wireless network</html>",
    "a list": b"[]",
    "no commit": b'{"id": "a/b", "siblings": []}',
    "no size": b'{"id": "a/b", "sha": "' + b"0" * 40 + b'", "siblings": [{"rfilename": "x", "blobId": "00"}]}',
    "files that are none": b'{"id": "a/b", "sha": "' + b"0" * 40 + b'", "siblings": [1]}',
}


@pytest.mark.parametrize("case", ANSWERS)
def test_answers_that_are_no_hubs(hub: HubServer, store: Path, case: str) -> None:
    hub.faults.info = ANSWERS[case]
    with pytest.raises(ModelError, match=r"does not answer as a hub|names no commit"):
        Tally().pull("perflow-sd15", store)
    assert not store.exists()


def entry(path: str, **changes: Any) -> dict[str, Any]:
    return {"rfilename": path, "size": 4, "blobId": "0" * 40} | changes


LISTINGS = {
    "parent folder": [entry("../../.bashrc")],
    "parent folder inside": [entry("unet/../../config.json")],
    "absolute": [entry("/etc/passwd")],
    "drive": [entry("C:/Windows/win.ini")],
    "backslashes": [entry("unet\\..\\..\\config.json")],
    "empty part": [entry("unet//config.json")],
    "control character": [entry("unet/con\x1bfig.json")],
    "ends with a dot": [entry("unet/config.json.")],
    "endless": [entry(f"many/{place}") for place in range(6000)],
    "twice": [entry("unet/config.json")],
    "negative size": [entry("x", size=-1)],
    "no checksum": [entry("x", blobId=None)],
    "long": [entry("x" * 2000)],
}


@pytest.mark.parametrize("case", LISTINGS)
def test_hostile_listings_are_refused_whole(hub: HubServer, store: Path, case: str) -> None:
    hub.faults.extra = LISTINGS[case]
    with pytest.raises(ModelError, match="Nothing was downloaded"):
        Tally().pull("perflow-sd15", store)
    assert not store.exists()


def test_odd_names_are_left_alone(hub: HubServer, store: Path) -> None:
    hub.faults.extra = [entry("画像/サンプル.png"), entry("images/a b+c (1).png"), entry("unet/notes.bin")]
    assert inspect_model(Tally().pull("perflow-sd15", store), thorough=False).is_good


Change = Callable[[Path], object]


REPOSITORIES: dict[str, tuple[Change, str]] = {
    "pickled": (
        lambda model: (model / UNET).rename(model / "unet/diffusion_pytorch_model.bin"),
        "pickled weights only",
    ),
    "no weights": (lambda model: (model / UNET).unlink(), "has no weights in unet"),
    "no config": (lambda model: (model / "unet/config.json").unlink(), "lacks unet/config.json"),
    "no index": (lambda model: (model / "model_index.json").unlink(), "has no model_index.json"),
    "broken index": (lambda model: (model / "model_index.json").write_text("{"), "can't be read"),
    "no picture": (lambda model: (model / "model_index.json").write_text("{}"), "has no unet and no transformer"),
    "index of a list": (lambda model: (model / "model_index.json").write_text("[]"), "must hold a JSON object"),
}


@pytest.mark.parametrize("case", REPOSITORIES)
def test_repositories_that_are_no_models(hub: HubServer, store: Path, repositories: dict[str, Path], case: str) -> None:
    change, sentence = REPOSITORIES[case]
    change(repositories[PERFLOW])
    with pytest.raises(ModelError, match=sentence):
        Tally().pull("perflow-sd15", store)
    assert list(stored_models(store)) == []


def test_full_disk_is_said_before_the_download(hub: HubServer, store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = shutil.disk_usage(store.parent)
    monkeypatch.setattr(assembly, "SPARE", usage.free)
    with pytest.raises(ModelError, match=r"0\.0 GB more are needed in .* and 0\.0 GB are free"):
        Tally().pull("perflow-sd15", store)
    assert not any(path.startswith("/large/") for path in hub.paths())


def test_unplayed_models_are_refused_early(hub: HubServer, store: Path, repositories: dict[str, Path]) -> None:
    index = repositories[PERFLOW] / "model_index.json"
    index.write_text(index.read_text().replace("UNet2DConditionModel", "UNet3DConditionModel"))
    request = pull_request("perflow-sd15")
    with pytest.raises(
        ModelError, match=r"is a UNet3DConditionModel; .* Nothing large was downloaded; --anyway pulls it"
    ):
        Tally().pull(request, store)
    assert not any(path.startswith("/large/") for path in hub.paths())
    folder = Tally().pull(replace(request, anyway=True), store)
    assert "UNet3DConditionModel" in inspect_model(folder, thorough=True).reason


def test_names_that_are_none(store: Path) -> None:
    for name in ("no-such-model", "../up", "a/b/c", "", "https://example.org/model"):
        with pytest.raises(ModelError, match="is no name of the catalogue and no hub id"):
            pull_request(name)
    with pytest.raises(ModelError, match=r"did you mean perflow-sd15 or perflow-sdxl\?"):
        pull_request("perflow sd51")
    with pytest.raises(ModelError, match=r"did you mean depth-anything-v2-small\?"):
        pull_request("depth-anything-small")
    with pytest.raises(ModelError, match="models list prints all names"):
        pull_request("velvet")
