"""``presets list``, ``show``, ``check`` and ``schema``, and ``doctor``, as they are typed."""

import json
from pathlib import Path

import numpy as np
import pytest
import yaml
from safetensors.numpy import save_file
from typer.testing import CliRunner, Result

from daemon.__main__ import app
from pipeline.shipped.configuration import MODEL_FOLDER
from presets.files import read_preset
from presets.known_words import KnownWords
from presets.library import Library
from presets.parameters import Parameters
from presets.preset_keys import KEPT_KEYS, PRESET_KEYS
from presets.vocabulary import read_vocabulary


def run(*arguments: str | Path, columns: int = 200) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments], env={"COLUMNS": str(columns)})


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "mine.yaml").write_text("description: '[red]not markup[/red]'\nprompt: ice\nstrength: 0.25\n")
    (tmp_path / "broken.yaml").write_text("strength: 2\nsteps: x\n")
    return tmp_path


def test_list_names_broken_presets_with_errors(folder: Path) -> None:
    result = run("presets", "list", "--presets", folder)
    assert result.exit_code == 0
    for name in [*Library(folder).names(), "broken"]:
        assert name in result.stdout
    assert "strength must be at most 1" in result.stdout
    assert "[red]not markup[/red]" in result.stdout


def test_list_as_json(folder: Path) -> None:
    result = run("presets", "list", "--json", "--presets", folder)
    rows = {row["name"]: row for row in json.loads(result.stdout)}
    assert not rows["mine"]["shipped"]
    assert rows["fire"]["shipped"]
    assert rows["fire"]["description"]
    assert rows["broken"]["error"].count("\n") == 1


def test_show_prints_a_loadable_preset(folder: Path) -> None:
    result = run("presets", "show", "mine", "--presets", folder)
    assert result.exit_code == 0
    copy = folder / "copy.yaml"
    copy.write_text(result.stdout)
    shown = read_preset(copy)
    assert set(shown.values) == {*PRESET_KEYS} - KEPT_KEYS
    assert shown.values["strength"] == 0.25
    library = Library(folder)
    assert library.recall("copy") == library.recall("mine") | {"/preset": "copy"}


def test_show_names_every_declared_key(folder: Path) -> None:
    (folder / "mine.yaml").write_text("prompt: ice\nmax_rate: 12\n")
    text = run("presets", "show", "mine", "--presets", folder).stdout
    set_keys, heading, kept = text.partition("# Not set, so they stay as they are when the preset is loaded")
    assert heading
    shown = yaml.safe_load(set_keys)
    commented = yaml.safe_load(kept.partition("\n")[2].replace("# ", ""))
    assert not shown.keys() & commented.keys()
    assert {*shown, *commented} == {*PRESET_KEYS}
    assert shown["max_rate"] == 12
    assert commented == {key: getattr(Parameters(), key) for key in KEPT_KEYS - {"max_rate"}}


def test_show_takes_a_path(folder: Path) -> None:
    assert "prompt: ice\n" in run("presets", "show", folder / "mine.yaml").stdout


def test_show_of_an_unknown_name_suggests_one(folder: Path) -> None:
    result = run("presets", "show", "mien", "--presets", folder)
    assert result.exit_code != 0
    assert "there is no preset 'mien'; did you mean mine?" in str(result.exception)


def test_check_of_a_good_file(folder: Path) -> None:
    result = run("presets", "check", folder / "mine.yaml")
    assert result.exit_code == 0
    assert result.stdout == f"{folder / 'mine.yaml'}: good\n"


def test_check_names_the_base_that_is_wrong(folder: Path) -> None:
    (folder / "base.yaml").write_text("seed: 1\nmodel: no-such-model\n")
    (folder / "child.yaml").write_text("extends: base\n")
    result = run("presets", "check", "child", "--presets", folder)
    assert result.exit_code == 1
    assert result.stderr.startswith(f"{folder / 'base.yaml'}:2:8: ")


def test_check_takes_names(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    result = run("presets", "check", "FIRE", "mine", "--presets", folder)
    assert result.exit_code == 0, result.output
    fire, mine = result.stdout.splitlines()
    assert fire.endswith("looks/fire.yaml: good")
    assert mine == f"{folder / 'mine.yaml'}: good"
    result = run("presets", "check", "broken", "mien", "--presets", folder)
    assert result.exit_code == 1
    assert result.stderr.splitlines() == [
        f"{folder / 'broken.yaml'}:1:11: strength must be at most 1; 2 was given",
        f"{folder / 'broken.yaml'}:2:8: steps must be a whole number; 'x' was given",
        "there is no preset 'mien'; did you mean mine?",
    ]
    (folder / "My Look.yaml").write_text("prompt: ice\n")
    for name, file in (("ice_cells", "ice-cells.yaml"), ("my_look", "My Look.yaml"), ("my-look", "My Look.yaml")):
        assert run("presets", "check", name, "--presets", folder).stdout.endswith(f"{file}: good\n")
    monkeypatch.chdir(folder)
    Path("fire").write_text("seed: 1\n")
    assert run("presets", "check", "fire").stdout == "fire: good\n", "a file goes before a name"


def test_shipped_presets_are_good(tmp_path: Path) -> None:
    """Every shipped preset passes the check of its values and its source, and the model knows all of its words."""
    library, vocabulary = Library(tmp_path), read_vocabulary(MODEL_FOLDER)
    names = library.names()
    result = run("presets", "check", *names, "--presets", tmp_path)
    assert result.exit_code == 0, result.output
    assert vocabulary is not None
    for name in names:
        assert KnownWords(vocabulary).interpret(str(library.recall(name)["/prompt/1/text"])).note == "", name
    moving = [name for name in names if "/source" in library.recall(name)]
    assert len(moving) >= 8
    assert len(names) - len(moving) >= 16


def test_check_prints_every_problem(folder: Path) -> None:
    files = [str(folder / name) for name in ("broken.yaml", "mine.yaml", "gone.yaml")]
    result = run("presets", "check", *files)
    assert result.exit_code == 1
    assert result.stderr.splitlines() == [
        f"{files[0]}:1:11: strength must be at most 1; 2 was given",
        f"{files[0]}:2:8: steps must be a whole number; 'x' was given",
        f"{files[2]}: no such file",
    ]
    assert result.stdout == f"{files[1]}: good\n"


@pytest.mark.parametrize("text", ["", "# nothing yet\n", "{}\n", "---\n"])
def test_check_refuses_an_empty_file(folder: Path, text: str) -> None:
    (folder / "empty.yaml").write_text(text)
    result = run("presets", "check", folder / "empty.yaml")
    assert result.exit_code == 1
    empty = "the preset is empty; set at least one key, such as prompt"
    assert result.stderr == f"{folder / 'empty.yaml'}: {empty}\n"


def test_check_reads_the_named_model(folder: Path, tmp_path: Path) -> None:
    gone, shipped = folder / "gone-model.yaml", folder / "shipped.yaml"
    gone.write_text(f"prompt: ice\nmodel: {tmp_path / 'no-such-model'}\n")
    shipped.write_text("model: shipped\n")
    result = run("presets", "check", gone, shipped)
    assert result.exit_code == 1
    (line,) = result.stderr.splitlines()
    assert line.startswith(f"{gone}:2:8: There is no model folder {tmp_path / 'no-such-model'}")
    assert result.stdout == f"{shipped}: good\n"


def test_check_reads_the_named_loras(folder: Path) -> None:
    """Those of the named model, or of any model if none is named."""
    fits, other = folder / "fits.safetensors", folder / "other.safetensors"
    for file, width in ((fits, 64), (other, 768)):
        matrices = {"lora_A": np.ones((2, width), np.float32), "lora_B": np.ones((8, 2), np.float32)}
        layer = "unet.mid_block.attentions.0.transformer_blocks.0.attn2.to_k"
        save_file({f"{layer}.{name}.weight": matrix for name, matrix in matrices.items()}, file)
    alone, both, gone = (folder / f"{name}.yaml" for name in ("alone", "both", "gone"))
    alone.write_text(f"lora1: {other}\nlora2: {fits}\n")
    both.write_text(f"model: shipped\nlora1: {fits}\n")
    gone.write_text(f"lora1: {folder / 'none.safetensors'}\nprompt: ice\nlora3: {folder / 'mine.yaml'}\n")
    result = run("presets", "check", alone, both, gone)
    assert result.stdout == f"{alone}: good\n{both}: good\n"
    first, second = result.stderr.splitlines()
    assert first.startswith(f"{gone}:1:8: There is no LoRA file")
    assert second.startswith(f"{gone}:3:8: {folder / 'mine.yaml'} is a '.yaml' file.")


def test_check_reads_the_named_controlnet(folder: Path) -> None:
    net = folder / "edges"
    net.mkdir()
    (net / "config.json").write_text('{"_class_name": "ControlNetModel", "cross_attention_dim": 768}')
    save_file({"a": np.zeros(1, np.float32)}, net / "diffusion_pytorch_model.safetensors")
    alone, both, gone = (folder / f"{name}.yaml" for name in ("alone", "both", "gone"))
    alone.write_text(f"controlnet: {net}\n")
    both.write_text(f"prompt: ice\nmodel: shipped\ncontrolnet: {net}\n")
    gone.write_text(f"controlnet: {folder / 'none'}\n")
    result = run("presets", "check", alone, both, gone)
    assert result.stdout == f"{alone}: good\n"
    first, second = result.stderr.splitlines()
    assert first.startswith(f"{both}:3:13: {net} is a ControlNet for another model than shipped: its in_channels is 4")
    assert second.startswith(f"{gone}:1:13: There is no ControlNet folder {folder / 'none'}")


def test_check_reads_the_named_image(folder: Path) -> None:
    (folder / "note.png").write_text("hello")
    one, gone = folder / "one.yaml", folder / "gone.yaml"
    one.write_text(f"ip_adapter_image: {folder / 'note.png'}\n")
    gone.write_text(f"ip_adapter: {folder / 'none.safetensors'}\n")
    result = run("presets", "check", one, gone)
    first, second = result.stderr.splitlines()
    assert first.startswith(f"{one}:1:19: {folder / 'note.png'} is no image of a kind that is read")
    assert second.startswith(f"{gone}:1:13: There is no IP-Adapter file")


def test_doctor_wraps_no_remedy(folder: Path) -> None:
    result = run("doctor", "--presets", folder, columns=60)
    assert result.exit_code in (0, 1)
    assert f'streamflow-live presets check "{folder / "broken.yaml"}"' in result.stdout
    for word in ("card:", "openvino", "9000/udp"):
        assert word in result.stdout
    assert "::" not in result.stdout
    assert result.stdout.count("use shm:NAME or zmq:PORT") <= 1


def test_schema_is_printed_or_written(tmp_path: Path) -> None:
    printed = json.loads(run("presets", "schema").stdout)
    assert printed["properties"]["strength"]["maximum"] == 1
    path = tmp_path / "preset.schema.json"
    assert run("presets", "schema", "-o", path).exit_code == 0
    assert json.loads(path.read_text(encoding="utf-8")) == printed
    path.write_text("mine")
    again = run("presets", "schema", "-o", path)
    assert (again.exit_code, path.read_text()) == (1, "mine")
    assert "Replace it with -y" in again.output
    assert run("presets", "schema", "-y", "-o", path).exit_code == 0
    assert json.loads(path.read_text(encoding="utf-8")) == printed
