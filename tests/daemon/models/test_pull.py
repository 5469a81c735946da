"""Pulls from a hub on this machine: composed models, interruptions, replacements."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from daemon.models.inspection import inspect_model
from daemon.models.listing import interrupted_bytes
from daemon.models.pull import pull_request
from pipeline import file_digests
from pipeline.models import load_model
from presets.errors import ModelError
from presets.model_catalogue import SCHEDULERS, TINY_AUTOENCODERS
from presets.model_record import read_record
from presets.model_store import find_model, stored_models
from tests.daemon.models.conftest import PERFLOW, TAESD
from tests.daemon.models.hub_server import COMMIT, HubServer
from tests.daemon.models.tally import Tally

UNET = "unet/diffusion_pytorch_model.safetensors"


def test_catalogue_model_is_composed(hub: HubServer, store: Path, repositories: dict[str, Path]) -> None:
    tally = Tally()
    folder = tally.pull("perflow-sd15", store)
    assert folder == store / "perflow-sd15" == find_model("perflow-sd15") == find_model(PERFLOW)
    assert tally.came == tally.total > 10_000
    model = load_model("perflow-sd15")
    assert model.classes["scheduler"] == "PeRFlowScheduler"
    assert model.classes["vae"] == "AutoencoderTiny"
    assert load_model("perflow-sd15", autoencoder="full").classes["vae"] == "AutoencoderKL"
    assert json.loads((folder / "scheduler/scheduler_config.json").read_text()) == SCHEDULERS["perflow"]
    assert model.schedule(4, 1.0).timestep.tolist() == [1000, 750, 500, 250]
    assert (folder / UNET).read_bytes() == (repositories[PERFLOW] / UNET).read_bytes()
    assert (folder / "LICENSE.md").is_file()
    assert not (folder / "safety_checker").exists()
    assert inspect_model(folder, thorough=True).is_good


def test_record_names_commits_and_checksums(hub: HubServer, store: Path) -> None:
    record = read_record(Tally().pull("perflow-sd15", store))
    assert record is not None
    model, vae, scheduler = record.sources
    assert (model.origin, model.revision) == (PERFLOW, COMMIT)
    assert (vae.part, vae.origin, vae.revision) == ("vae_tiny", TAESD, TINY_AUTOENCODERS["taesd"].revision)
    assert (scheduler.part, scheduler.origin) == ("scheduler", "perflow")
    assert (record.licence, record.paid_show) == ("CC BY-NC 4.0", "no")
    assert {UNET, "vae/config.json", "model_index.json", "LICENSE.md"} <= record.files.keys()


def test_first_start_reads_no_weights(
    hub: HubServer, store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in (("SMALLEST_KEPT", 1), ("SETTLED", -1.0), ("digest_folder", lambda: tmp_path / "digests")):
        monkeypatch.setattr(file_digests, name, value)
    folder = Tally().pull("perflow-sd15", store)
    read: list[Path] = []
    monkeypatch.setattr(file_digests, "_read_digest", lambda path: read.append(path) or bytes(32))
    kept = load_model(folder).fingerprint
    assert not read
    monkeypatch.undo()
    assert kept == load_model(folder).fingerprint


def test_only_needed_files_are_asked_for(hub: HubServer, store: Path) -> None:
    Tally().pull("perflow-sd15", store)
    asked = [*hub.paths(), *hub.paths("HEAD")]
    assert all(path.startswith(("/api/models/", "/large/")) or "/resolve/" in path for path in asked), asked
    taken = "\n".join(asked)
    for left in ("safety_checker", "README", "taesd_decoder", "full_autoencoder"):
        assert left not in taken
    assert "scheduler" not in taken


def test_pickled_autoencoder_is_left_there(hub: HubServer, store: Path, repositories: dict[str, Path]) -> None:
    weights = repositories[PERFLOW] / "vae/diffusion_pytorch_model.safetensors"
    weights.rename(weights.with_suffix(".bin"))
    tally = Tally()
    folder = tally.pull("perflow-sd15", store)
    assert "has no full autoencoder in .safetensors" in tally.said[0]
    assert inspect_model(folder, thorough=True).autoencoders == "tiny"
    assert load_model("perflow-sd15").classes["vae"] == "AutoencoderTiny"
    for name in ("perflow-sd15", str(folder)):
        with pytest.raises(ModelError, match=r"no full autoencoder\. Get one by: .* models pull perflow-sd15"):
            load_model(name, autoencoder="full")
    weights.with_suffix(".bin").rename(weights)
    hub.seen.clear()
    assert inspect_model(tally.pull("perflow-sd15", store), thorough=True).autoencoders == "tiny, full"
    large = [path for path in hub.paths() if path.startswith("/large/")]
    assert len(large) == 1, "what was there is not downloaded again"
    assert "/vae/" in large[0]


def test_tiny_autoencoder_is_chosen(hub: HubServer, store: Path, perflow_folder: Path, full_autoencoder: Path) -> None:
    other = hub.repositories["someone/other"] = store.parent / "other"
    shutil.copytree(perflow_folder, other)
    shutil.rmtree(other / "vae")
    shutil.copytree(full_autoencoder, other / "vae")
    index = json.loads((other / "model_index.json").read_text()) | {"vae": ["diffusers", "AutoencoderKL"]}
    (other / "model_index.json").write_text(json.dumps(index))
    request = pull_request("someone/other")
    assert inspect_model(Tally().pull(request, store), thorough=False).autoencoders == "full"
    with pytest.raises(ModelError, match=r"by: .* models pull someone/other --tiny taesd or taesdxl"):
        load_model("someone/other", autoencoder="tiny")
    with pytest.raises(ModelError, match="There is no tiny autoencoder 'taesd9'; there are taesd, taesdxl, taesd3"):
        Tally().pull(replace(request, tiny="taesd9"), store)
    folder = Tally().pull(replace(request, tiny="taesd"), store)
    assert load_model(folder, autoencoder="tiny").autoencoder is not None
    with pytest.raises(ModelError, match="is a depth model, which has no autoencoder"):
        Tally().pull(replace(pull_request("depth-anything-v2-small"), tiny="taesd"), store)


def test_hub_id_is_taken_as_it_is(hub: HubServer, store: Path, perflow_folder: Path) -> None:
    hub.repositories["someone/a_model.v2"] = perflow_folder
    folder = Tally().pull("someone/a_model.v2", store)
    assert folder == store / "someone--a_model.v2" == find_model("someone/a_model.v2")
    record = read_record(folder)
    assert record is not None
    assert (record.name, record.licence, record.paid_show) == ("someone/a_model.v2", "cc0-1.0", "ask")
    assert inspect_model(folder, thorough=True).is_good


def test_second_pull_downloads_nothing(hub: HubServer, store: Path) -> None:
    first = Tally().pull("perflow-sd15", store)
    hub.seen.clear()
    tally = Tally()
    assert tally.pull("PeRFlow SD15", store) == first
    assert tally.said == [f"perflow-sd15 is here already, at commit {COMMIT[:12]}."]
    assert all(path.startswith("/api/") for path in hub.paths())
    (first / UNET).write_bytes(b"cut off")
    assert Tally().pull("perflow-sd15", store) == first
    assert inspect_model(first, thorough=True).is_good


def test_another_commit_replaces_the_model(hub: HubServer, store: Path, repositories: dict[str, Path]) -> None:
    Tally().pull("perflow-sd15", store)
    (repositories[PERFLOW] / "LICENSE.md").write_text("another\n")
    other = "f" * 40
    folder = Tally().pull(replace(pull_request("perflow-sd15"), revision=other), store)
    assert (folder / "LICENSE.md").read_text() == "another\n"
    record = read_record(folder)
    assert record is not None
    assert record.sources[0].revision == other
    assert [path.name for path in stored_models(store)] == ["perflow-sd15"]


def test_lost_connection_is_resumed_within_a_pull(hub: HubServer, store: Path) -> None:
    hub.faults.cut_once[UNET] = 5000
    folder = Tally().pull("perflow-sd15", store)
    assert hub.was_cut
    ranges = [each.range for each in hub.seen if each.path.endswith(UNET) and each.path.startswith("/large/")]
    assert ranges == ["", "bytes=5000-"]
    assert inspect_model(folder, thorough=True).is_good


def test_interrupted_pull_continues_in_the_next(hub: HubServer, store: Path) -> None:
    hub.faults.cut_once[UNET] = 5000
    hub.faults.refuse_after_cut = True
    with pytest.raises(ModelError, match="503"):
        Tally().pull("perflow-sd15", store)
    assert list(stored_models(store)) == []
    assert interrupted_bytes(store) > 5000
    with pytest.raises(ModelError, match="streamflow-live models pull perflow-sd15"):
        load_model("perflow-sd15")
    hub.faults.refuse_after_cut = False
    hub.seen.clear()
    tally = Tally()
    folder = tally.pull("perflow-sd15", store)
    ranges = [each.range for each in hub.seen if each.path.endswith(UNET) and each.path.startswith("/large/")]
    assert ranges == ["bytes=5000-"]
    assert not any("text_encoder/model" in path for path in hub.paths()), "what is whole is not fetched again"
    assert tally.came == tally.total
    assert interrupted_bytes(store) == 0
    assert inspect_model(folder, thorough=True).is_good


def test_token_is_for_the_hub_alone(hub: HubServer, store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_of_the_test")
    Tally().pull("perflow-sd15", store)
    for each in hub.seen:
        assert each.token == ("" if each.path.startswith("/large/") else "Bearer hf_of_the_test"), each


def test_server_that_ignores_ranges_sends_all_again(hub: HubServer, store: Path) -> None:
    hub.faults.cut_once[UNET] = 5000
    hub.faults.ignore_range = True
    tally = Tally()
    folder = tally.pull("perflow-sd15", store)
    assert tally.came == tally.total
    assert inspect_model(folder, thorough=True).is_good


def test_killed_replacement_is_ended(hub: HubServer, store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that dies between the two moves leaves no model; the next one puts the old one back, or replaces it."""
    folder = Tally().pull("perflow-sd15", store)
    moved = Path.rename

    def dies(self: Path, target: Path) -> Path:
        if self.parent.name == ".partial" and self.suffix != ".old":
            raise KeyboardInterrupt
        return moved(self, target)

    other = replace(pull_request("perflow-sd15"), revision="e" * 40)
    with monkeypatch.context() as patch:
        patch.setattr(Path, "rename", dies)
        with pytest.raises(KeyboardInterrupt):
            Tally().pull(other, store)
    assert not folder.exists()
    hub.faults.status[PERFLOW] = (503, "")
    with pytest.raises(ModelError, match="503"):
        Tally().pull(other, store)
    hub.faults.status.clear()
    hub.faults.flip.add("model_index.json")
    with pytest.raises(ModelError, match="came wrong"):
        Tally().pull(replace(other, revision="d" * 40), store)
    assert inspect_model(folder, thorough=True).is_good, "the old one is back"
    hub.faults.flip.clear()
    Tally().pull(other, store)
    assert inspect_model(folder, thorough=True).is_good
    assert [path.name for path in (store / ".partial").iterdir()] == ["perflow-sd15.lock"]


def test_variants_and_shards(hub: HubServer, store: Path, repositories: dict[str, Path]) -> None:
    """SDXL's UNet of PeRFlow is a variant, and large networks are in shards: both load after the pull."""
    from pipeline.families.unet import SDXL
    from tests.tiny_folders import write_family_folder

    made = write_family_folder("sdxl", store.parent / "sdxl")
    unet, text = made / "unet", made / "text_encoder_2"
    (unet / "diffusion_pytorch_model.safetensors").rename(unet / "diffusion_pytorch_model.v0-fix.safetensors")
    shutil.copy(unet / "diffusion_pytorch_model.v0-fix.safetensors", unet / "diffusion_pytorch_model.safetensors")
    shards_of(text / "model.safetensors")
    hub.repositories |= {"hansyan/perflow-sdxl-base": made, "madebyollin/taesdxl": repositories[TAESD]}
    folder = Tally().pull("perflow-sdxl", store)
    assert not any(path.endswith("model.safetensors") and "/unet/" in path for path in hub.paths())
    model = load_model("perflow-sdxl")
    assert model.family is SDXL
    assert len(model.weights["text_encoder_2"]) == 2
    assert inspect_model(folder, thorough=True).is_good
    assert model.denoiser is not None
    assert model.read_network("text_encoder_2") is not None


def shards_of(path: Path) -> None:
    """Split a file of weights into two shards with an index."""
    from safetensors.numpy import load_file, save_file

    weights = load_file(path)
    path.unlink()
    names = sorted(weights)
    placed: dict[str, str] = {}
    for place, chosen in enumerate((names[::2], names[1::2]), 1):
        shard = f"model-{place:05}-of-00002.safetensors"
        save_file({name: weights[name] for name in chosen}, path.parent / shard, metadata={"format": "pt"})
        placed |= dict.fromkeys(chosen, shard)
    index = {"metadata": {"total_size": 1}, "weight_map": placed}
    (path.parent / "model.safetensors.index.json").write_text(json.dumps(index))
