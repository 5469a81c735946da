"""``streamflow-live layout``: the files that it writes and never replaces, and its refusals."""

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from daemon.__main__ import app
from presets.errors import SettingsError


def run(*arguments: object) -> Any:
    return CliRunner().invoke(app, ["layout", *map(str, arguments)])


def test_command_writes_and_never_replaces(tmp_path: Path) -> None:
    path = tmp_path / "show.json"
    done = run("open-stage-control", "-o", path, "--group", "style", "--group", "OUTPUT", "--presets", tmp_path)
    assert done.exit_code == 0, done.output
    tabs = json.loads(path.read_bytes())["content"]["widgets"][1]["tabs"]
    assert [each["label"] for each in tabs] == ["looks", "style", "output", "actions"]
    path.write_text("mine")
    refused = run("open-stage-control", "-o", path)
    assert isinstance(refused.exception, SettingsError)
    assert "exists already" in str(refused.exception)
    assert path.read_text() == "mine"
    assert run("open-stage-control", "-o", path, "-y", "--host", "stage.local", "--port", 9100).exit_code == 0
    assert '"target": "stage.local:9100"' in path.read_text(encoding="utf-8")


def test_command_tells_how_to_connect(tmp_path: Path) -> None:
    done = run("touchosc", "-o", tmp_path / "show.tosc", "--host", "192.168.1.5", "--feedback-port", 9100)
    assert done.exit_code == 0, done.output
    assert "host 192.168.1.5, send port 9000, receive port 9100" in done.output
    assert "/prompt/1/text" in done.output
    assert "--osc 0.0.0.0:9000" in done.output


def test_command_writes_what_touchdesigner_runs(tmp_path: Path) -> None:
    path = tmp_path / "show.py"
    done = run("touchdesigner", "-o", path, "--port", 9123, "--page-port", 8123)
    assert done.exit_code == 0, done.output
    assert f"exec(open({str(path)!r}).read())" in done.output
    printed = CliRunner().invoke(app, ["touchdesigner", "--page", "http://127.0.0.1:8123", "--osc-port", "9123"])
    assert path.read_text() == printed.output, "the lines that the tests of the component run"


def test_command_writes_a_session_of_chataigne(tmp_path: Path) -> None:
    done = run("chataigne", "-o", tmp_path / "show.noisette", "--group", "style", "--host", "stage.local")
    assert done.exit_code == 0, done.output
    assert "http://stage.local:8090" in done.output
    boards = json.loads((tmp_path / "show.noisette").read_bytes())["dashboardManager"]["items"]
    assert [each["niceName"] for each in boards] == ["show", "style", "actions"]


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["chataigne", "-o", "a.json"], "opens .noisette files"),
        (["touchdesigner", "-o", "a.tox"], "opens .py files"),
        (["lemur", "-o", "a.jzml"], "choose one of open-stage-control, touchosc, chataigne, touchdesigner"),
        (["touchosc", "-o", "a.json"], "opens .tosc files"),
        (["touchosc", "-o", "a.tosc", "--group", "colours"], "the groups are prompts, style,"),
        (["touchosc", "-o", "a.tosc", "--host", "osc://here"], "no name or IPv4 address"),
    ],
)
def test_command_refuses(arguments: list[str], reason: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    done = run(*arguments)
    assert isinstance(done.exception, SettingsError)
    assert reason in str(done.exception)
    assert list(tmp_path.iterdir()) == []
