"""Values that a show begins with, notices about them, and presets that come later in `render`."""

from fractions import Fraction
from pathlib import Path

import pytest

from daemon.stage.initial_values import (
    frames_of,
    initial_notices,
    initial_values,
    restored_look,
    scheduled_values,
    with_sources,
)
from daemon.stage.notices import StartNotices
from daemon.stage.settings import Settings
from daemon.stage.state_file import StateFile
from presets.errors import PresetError, SettingsError
from presets.library import Library
from presets.model_store import FOLDER_VARIABLE
from presets.parameter_table import Value
from presets.parameters import Parameters


@pytest.fixture
def library(tmp_path: Path) -> Library:
    (tmp_path / "slow.yaml").write_text("prompt: snow\nseed: 5\nmorph: 3\nwidth: 512\n")
    (tmp_path / "plain.yaml").write_text("prompt: moss\n")
    return Library(tmp_path)


def test_state_then_preset_then_size(library: Library, tmp_path: Path) -> None:
    values = initial_values(library, {}, "fire", (320, 192))
    assert values["/preset"] == "fire"
    assert "fire" in str(values["/prompt/1/text"])
    assert (values["/width"], values["/height"]) == (320, 192)
    assert initial_values(library, {}, None, None)["/preset"] == "neon", "a first show has a preset too"
    state = tmp_path / "state.json"
    StateFile(state).save_if_changed(values | {"/seed": 77}, at_once=True)
    again = initial_values(library, StateFile(state).restore(), None, None)
    assert (again["/preset"], again["/seed"], again["/width"]) == ("fire", 77, 320)
    with pytest.raises(PresetError, match="no-such"):
        initial_values(library, {}, "no-such", None)
    with pytest.raises(SettingsError, match="32"):
        initial_values(library, {}, None, (250, 256))


def test_missing_model_of_the_last_show(library: Library, tmp_path: Path) -> None:
    engine = tmp_path / "one.onnx"
    engine.write_bytes(b"")
    gone = str(tmp_path / "gone")
    restored: dict[str, Value] = {"/model": gone, "/engine": str(engine), "/seed": 5}
    values = initial_values(library, restored, None, None)
    assert (values["/model"], values["/engine"], values["/seed"]) == ("shipped", "", 5)
    (notice,) = initial_notices(restored, values)
    assert notice.text == f"The model of the last show is not there any more: {gone}. The shipped model plays."
    assert notice.level == "error"
    (tmp_path / "gone").mkdir()
    values = initial_values(library, restored, None, None)
    assert (values["/model"], values["/engine"]) == (gone, str(engine))
    assert initial_notices(restored, values) == []


@pytest.mark.parametrize("name", ["/" + 300 * "m", "~no-such-user/model", "~no-such-user"])
def test_paths_that_cannot_be_looked_up(library: Library, name: str) -> None:
    values = initial_values(library, {"/model": name, "/engine": name}, None, None)
    assert (values["/model"], values["/engine"]) == ("shipped", "")
    settings, notices = with_sources(Settings(sinks=()), [], {"/source": name, "/source2": 300 * "n"})
    assert settings.sources == {"/source": "card:", "/source2": ""}
    assert len(notices) == 2


def test_missing_engine_of_the_last_show(library: Library) -> None:
    restored: dict[str, Value] = {"/model": "echo", "/engine": "/no/such.onnx"}
    values = initial_values(library, restored, None, None)
    assert (values["/model"], values["/engine"]) == ("echo", "")
    (notice,) = initial_notices(restored, values)
    assert notice.text.startswith("The engine of the last show is not there any more: /no/such.onnx.")


def test_missing_lora_of_the_last_show(library: Library, tmp_path: Path) -> None:
    kept = tmp_path / "ink.safetensors"
    kept.write_bytes(b"")
    gone = str(tmp_path / "neon.safetensors")
    restored: dict[str, Value] = {"/model": "echo", "/lora1": gone, "/lora2": str(kept), "/controlnet": f"{gone}/net"}
    values = initial_values(library, restored, None, None)
    assert (values["/lora1"], values["/lora2"], values["/controlnet"]) == ("", str(kept), "")
    notice, other = initial_notices(restored, values)
    assert other.text.startswith("The controlnet of the last show is not there any more")
    assert notice.text == f"The lora1 of the last show is not there any more: {gone}. The model plays without it."
    lost = initial_values(library, restored | {"/model": str(tmp_path / "model")}, None, None)
    assert (lost["/model"], lost["/lora1"], lost["/lora2"]) == ("shipped", "", ""), "LoRAs are of their model alone"


def test_missing_depth_model_of_the_last_show(
    library: Library, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(FOLDER_VARIABLE, str(tmp_path / "store"))
    for model in ("", str(tmp_path / "gone")):
        restored: dict[str, Value] = {"/controlnet_preprocessor": "depth", "/controlnet_depth_model": model}
        values = initial_values(library, restored, None, None)
        assert (values["/controlnet_preprocessor"], values["/controlnet_depth_model"]) == ("none", "")
        (notice,) = initial_notices(restored, values)
        assert notice.text == "The depth model of the last show is not there any more. Nothing makes depth."
    kept: dict[str, Value] = restored | {"/controlnet_depth_model": str(tmp_path)}
    values = initial_values(library, kept, None, None)
    assert values["/controlnet_preprocessor"] == "depth"
    assert initial_notices(kept, values) == []


@pytest.mark.parametrize(
    ("restored", "texts"),
    [
        ({}, []),
        ({"/seed": 7}, []),
        ({"/blackout": True, "/brightness": 0.0}, ["Blackout is still on since the last show: the output is dark."]),
        ({"/brightness": 0.0}, ["Brightness is still 0 since the last show: the output is dark."]),
        ({"/freeze": True}, ["Freeze is still on since the last show: the output holds its first picture."]),
        ({"/mode": "text"}, ["Text mode is still on since the last show: pictures are drawn from the prompt alone."]),
        ({"/width": 512}, ["Drawing at 512x256, the size of the last show."]),
    ],
)
def test_restored_values_that_need_a_word(library: Library, restored: dict[str, Value], texts: list[str]) -> None:
    notices = initial_notices(restored, initial_values(library, restored, None, None))
    assert len(notices) == len(texts)
    for notice, text in zip(notices, texts, strict=True):
        assert notice.text.startswith(text)


def test_start_notice_ends_with_the_first_change(library: Library) -> None:
    restored: dict[str, Value] = {"/blackout": True, "/freeze": True}
    notices = StartNotices(initial_notices(restored, initial_values(library, restored, None, None)))
    assert len(notices.current(Parameters(blackout=True, freeze=True))) == 2
    assert len(notices.current(Parameters(freeze=True))) == 1
    assert len(notices.current(Parameters(blackout=True, freeze=True))) == 1, "blackout is the performer's now"


def test_later_presets_in_order_of_time(library: Library) -> None:
    opening = initial_values(library, {}, "plain", (128, 64))
    later = scheduled_values(library, opening, ["7=plain", "2.5=slow"])
    assert [*later] == [2.5, 7.0]
    assert [values["/prompt/1/text"] for values in later.values()] == ["snow", "moss"]
    assert [values["/morph"] for values in later.values()] == [3.0, 3.0], "a preset without it leaves it"
    assert [values["/seed"] for values in later.values()] == [5, 0]
    assert all(values["/width"] == 128 for values in later.values()), "a clip keeps its size"
    assert opening["/prompt/1/text"] == "moss"
    assert scheduled_values(library, opening, []) == {}


@pytest.mark.parametrize("text", ["fire", "=fire", "2=", "0=fire", "-1=fire", "nan=fire", "inf=fire", "soon=fire"])
def test_invalid_time_or_preset(library: Library, text: str) -> None:
    with pytest.raises(SettingsError, match=r"SECONDS=PRESET is expected, as in 4\.5=fire"):
        scheduled_values(library, initial_values(library, {}, None, None), [text])
    with pytest.raises(PresetError, match="no-such"):
        scheduled_values(library, initial_values(library, {}, None, None), ["2=no-such"])


def test_two_presets_at_one_second(library: Library) -> None:
    with pytest.raises(SettingsError, match=r"only one preset can be loaded at second 2\.5: plain or slow"):
        scheduled_values(library, initial_values(library, {}, None, None), ["2.5=plain", "2.50=slow"])


def test_each_later_preset_has_its_own_frame() -> None:
    assert frames_of([0.04, 1.0, 0.5], Fraction(25)) == {1: 0.04, 25: 1.0, 12: 0.5}
    with pytest.raises(SettingsError, match=r"second 0\.01 is within the first frame, which lasts 0\.04 s: --preset"):
        frames_of([1.0, 0.01], Fraction(25))
    with pytest.raises(SettingsError, match=r"seconds 2 and 2\.01 are in the same frame: presets need 0\.04 s"):
        frames_of([2.0, 2.01], Fraction(25))


def test_sources_of_the_command_line(library: Library) -> None:
    values = initial_values(library, {"/source": "card:", "/source2": "file:logo.png"}, None, None)
    one, notices = with_sources(Settings(), ["zmq:5600"], values)
    assert one.sources == {"/source": "zmq:5600", "/source2": "file:logo.png"}
    assert (one.source_must_open, one.source2_must_open, notices) == (True, False, [])
    both, _ = with_sources(Settings(), ["zmq:5600", "file:mask.png"], values)
    assert both.sources == {"/source": "zmq:5600", "/source2": "file:mask.png"}
    assert both.source2_must_open
    none, _ = with_sources(Settings(), ["zmq:5600", "none:"], values)
    assert none.source2 == ""


def test_second_source_that_is_taken(library: Library) -> None:
    values = initial_values(library, {"/source2": "zmq:5600"}, None, None)
    settings, (notice,) = with_sources(Settings(), ["zmq:5600"], values)
    assert settings.sources == {"/source": "zmq:5600", "/source2": ""}
    assert notice.text.startswith("The source zmq:5600 can't be used: zmq:5600 and zmq:5600 can't be open at once")
    assert notice.text.endswith("The first one plays alone.")
    with pytest.raises(SettingsError, match="at once"):
        with_sources(Settings(), ["zmq:5600", "zmq:5600"], values)


def test_look_of_the_last_show_is_told() -> None:
    (told,) = restored_look({"/preset": "fire", "/seed": 7}, None)
    assert told.text == "the look is fire, as the last show left it"
    (told,) = restored_look({"/seed": 7}, None)
    assert told.text == "the controls are as the last show left them"
    assert restored_look({}, None) == restored_look({"/preset": "fire"}, "ice") == []
