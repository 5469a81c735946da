"""``presets list|show|check`` and ``doctor`` as they are typed."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from daemon.__main__ import app
from presets.files import KEPT_KEYS, LOOK_KEYS, read_preset
from presets.library import Library

runner = CliRunner()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "mine.yaml").write_text("description: '[red]not markup[/red]'\nprompt: ice\nstrength: 0.25\n")
    (tmp_path / "broken.yaml").write_text("strength: 2\nsteps: x\n")
    return tmp_path


def test_list_names_every_look_and_the_broken_ones_with_their_errors(folder: Path) -> None:
    result = runner.invoke(app, ["presets", "list", "--presets", str(folder)], env={"COLUMNS": "200"})
    assert result.exit_code == 0
    for name in [*Library(folder).names(), "broken"]:
        assert name in result.stdout
    assert "strength must be at most 1" in result.stdout
    assert "[red]not markup[/red]" in result.stdout


def test_list_as_json(folder: Path) -> None:
    result = runner.invoke(app, ["presets", "list", "--json", "--presets", str(folder)])
    rows = {row["name"]: row for row in json.loads(result.stdout)}
    assert not rows["mine"]["shipped"]
    assert rows["fire"]["shipped"]
    assert rows["fire"]["description"]
    assert rows["broken"]["error"].count("\n") == 1


def test_show_prints_a_whole_look_that_is_a_preset_itself(folder: Path) -> None:
    result = runner.invoke(app, ["presets", "show", "mine", "--presets", str(folder)])
    assert result.exit_code == 0
    copy = folder / "copy.yaml"
    copy.write_text(result.stdout)
    shown = read_preset(copy)
    assert set(shown.values) == {*LOOK_KEYS} - KEPT_KEYS
    assert shown.values["strength"] == 0.25
    library = Library(folder)
    assert library.recall("copy") == library.recall("mine") | {"/preset": "copy"}


def test_show_takes_a_path(folder: Path) -> None:
    result = runner.invoke(app, ["presets", "show", str(folder / "mine.yaml")])
    assert "prompt: ice\n" in result.stdout


def test_show_of_an_unknown_look_raises_what_main_prints(folder: Path) -> None:
    result = runner.invoke(app, ["presets", "show", "mien", "--presets", str(folder)])
    assert result.exit_code != 0
    assert "did you mean mine?" in str(result.exception)


def test_check_says_good_and_exits_0(folder: Path) -> None:
    result = runner.invoke(app, ["presets", "check", str(folder / "mine.yaml")])
    assert result.exit_code == 0
    assert result.stdout == f"{folder / 'mine.yaml'}: good\n"


def test_check_prints_every_problem_of_every_file_and_exits_1(folder: Path) -> None:
    files = [str(folder / name) for name in ("broken.yaml", "mine.yaml", "gone.yaml")]
    result = runner.invoke(app, ["presets", "check", *files])
    assert result.exit_code == 1
    assert result.stderr.splitlines() == [
        f"{files[0]}:1:11: strength must be at most 1; 2 stands there",
        f"{files[0]}:2:8: steps must be a whole number; 'x' stands there",
        f"{files[2]}: there is no such file",
    ]
    assert result.stdout == f"{files[1]}: good\n"


def test_check_looks_whether_the_model_that_a_file_names_can_be_played(folder: Path, tmp_path: Path) -> None:
    gone, shipped = folder / "gone-model.yaml", folder / "shipped.yaml"
    gone.write_text(f"prompt: ice\nmodel: {tmp_path / 'no-such-model'}\n")
    shipped.write_text("model: shipped\n")
    result = runner.invoke(app, ["presets", "check", str(gone), str(shipped)])
    assert result.exit_code == 1
    (line,) = result.stderr.splitlines()
    assert line.startswith(f"{gone}:2:8: There is no model folder {tmp_path / 'no-such-model'}")
    assert result.stdout == f"{shipped}: good\n"


def test_doctor_prints_remedies_whole_also_in_a_narrow_terminal(folder: Path) -> None:
    result = runner.invoke(app, ["doctor", "--presets", str(folder)], env={"COLUMNS": "60"})
    assert result.exit_code in (0, 1)
    assert f'streamflow-live presets check "{folder / "broken.yaml"}"' in result.stdout
    for word in ("card:", "openvino", "9000/udp"):
        assert word in result.stdout
