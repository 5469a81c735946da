"""Depth models in the store: pulled by name, listed, checked, and found by a preset."""

import json
import shutil
from pathlib import Path

import pytest
from tiny_depth_model import write_depth_model
from typer.testing import CliRunner, Result

from daemon.__main__ import app
from daemon.models.inspection import inspect_model
from daemon.models.pull import pull, pull_request
from pipeline.controlnet.depth_folder import open_depth_model
from presets.errors import ModelError
from presets.model_catalogue import DEPTH_MODEL, DEPTH_MODELS
from presets.model_record import read_record
from presets.model_store import find_depth_model, find_model, is_missing_depth_model, stored_models
from tests.daemon.models.hub_server import HubServer

ROW = DEPTH_MODELS[DEPTH_MODEL]


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, [*map(str, arguments)], env={"COLUMNS": "250"})


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """The depth model as it is published, with files that are not taken."""
    folder = write_depth_model(tmp_path / "hub" / "depth")
    (folder / "README.md").write_text("---\nlicense: apache-2.0\n---\n")
    (folder / "pytorch_model.bin").write_bytes(b"never taken")
    return folder


@pytest.fixture
def pulled(hub: HubServer, store: Path, repository: Path) -> Path:
    hub.repositories[ROW.hub_id] = repository
    assert is_missing_depth_model("depth", "")
    return pull(pull_request(DEPTH_MODEL), store, lambda text: None, lambda count: None, lambda count: None)


def test_pull_takes_three_files(pulled: Path, hub: HubServer, store: Path, repository: Path) -> None:
    assert pulled == store / DEPTH_MODEL == find_depth_model(ROW.hub_id)
    files = {"config.json", "preprocessor_config.json", "model.safetensors"}
    assert {path.name for path in pulled.iterdir()} == files | {"streamflow-model.json"}
    assert all((pulled / name).read_bytes() == (repository / name).read_bytes() for name in files)
    record = read_record(pulled)
    assert record is not None
    assert (record.licence, record.paid_show) == ("Apache-2.0", "yes")
    assert [(each.part, each.origin, each.revision) for each in record.sources] == [("model", ROW.hub_id, ROW.revision)]
    assert open_depth_model(DEPTH_MODEL).path == pulled
    assert not is_missing_depth_model("depth", "")
    assert not is_missing_depth_model("canny", "/nowhere")
    before = len(hub.paths())
    again = pull(pull_request(ROW.hub_id), store, lambda text: None, lambda count: None, lambda count: None)
    assert (again, len(hub.paths()) - before) == (pulled, 1), "it is here already: only its listing is asked for"


def test_depth_model_is_no_model(pulled: Path, store: Path) -> None:
    assert list(stored_models(store)) == []
    with pytest.raises(ModelError, match="There is no model 'depth-anything-v2-small'"):
        find_model(DEPTH_MODEL)


def test_commands_know_depth_models(pulled: Path) -> None:
    (row,) = (row for row in json.loads(run("models", "list", "--json").stdout) if row["name"] == DEPTH_MODEL)
    assert (row["use"], row["reason"], row["folder"]) == ("controlnet_depth_model", "", str(pulled))
    good = run("models", "check", DEPTH_MODEL)
    assert good.exit_code == 0
    assert "can be played, as a depth model for controlnet_preprocessor depth" in good.output
    weights = pulled / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"?")
    assert run("models", "check", pulled).exit_code == 1
    assert inspect_model(pulled, thorough=True).problems == [
        "model.safetensors has changed: its SHA-256 is not the recorded one."
    ]


def test_preset_is_checked(pulled: Path, store: Path, tmp_path: Path) -> None:
    net, look = tmp_path / "net", tmp_path / "look.yaml"
    net.mkdir()
    (net / "config.json").write_text('{"_class_name": "ControlNetModel"}')
    shutil.copy(pulled / "model.safetensors", net / "diffusion_pytorch_model.safetensors")
    look.write_text(f"controlnet: {net}\ncontrolnet_preprocessor: depth\n")
    assert run("presets", "check", look).stdout == f"{look}: good\n"
    shutil.rmtree(pulled)
    missing = "Depth Anything V2 Small is not on this disk yet. Get it by: streamflow-live models pull"
    assert run("presets", "check", look).stderr.startswith(f"{look}:2:26: {missing}")
    look.write_text(f"controlnet: {net}\ncontrolnet_preprocessor: depth\ncontrolnet_depth_model: {net}\n")
    assert f"{look}:3:25: {net} is no depth model of this version" in run("presets", "check", look).stderr
