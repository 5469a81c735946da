"""Numbers of processors in preset files, under the names that the processors give them."""

from pathlib import Path

import pytest

from daemon.stage.preset_library import open_library
from presets.errors import PresetError
from presets.files import parse_preset, preset_text
from presets.library import Library

SHIFT = 'PARAMETERS = {"by": (0, 10, 3), "soft": (-1.0, 1.0, 0.5)}\n\n\ndef before(f, by, soft): ...\n'


@pytest.fixture
def library(tmp_path: Path) -> Library:
    (tmp_path / "processors").mkdir()
    (tmp_path / "processors" / "shift.py").write_text(SHIFT)
    (tmp_path / "presets").mkdir()
    return open_library(tmp_path / "presets", tmp_path / "processors")


def put(library: Library, name: str, processor: str) -> None:
    (library.folder / f"{name}.yaml").write_text(f"seed: 1\nprocessor:\n- {processor}\n")


def numbers(library: Library, name: str) -> list[object]:
    values = library.recall(name)
    return [values[f"/processor/1/{field}"] for field in ("name", "active", "value1", "value2")]


def test_named_numbers_are_in_their_own_unit(library: Library) -> None:
    put(library, "look", "{name: shift, by: 7, active: false}")
    assert numbers(library, "look") == ["shift", False, 0.7, 0.75], "the other has its first value"
    (library.folder / "child.yaml").write_text("extends: look\nseed: 2\n")
    assert numbers(library, "child") == ["shift", False, 0.7, 0.75]
    (library.folder / "other.yaml").write_text("extends: look\nprocessor: [{name: shift, soft: 0}]\n")
    assert numbers(library, "other") == ["shift", True, 0.3, 0.5], "a list takes the place of the base's"
    shown = parse_preset(preset_text(library.complete("look")).encode(), "x.yaml")
    assert shown.values["processor"][0].values[:2] == (0.7, 0.75)


def test_saving_keeps_named_numbers_of_the_base(library: Library) -> None:
    put(library, "look", "{name: shift, by: 7}")
    (library.folder / "child.yaml").write_text("extends: look\nseed: 2\n")
    library.save("child", library.recall("child"))
    assert (library.folder / "child.yaml").read_text() == "extends: look\nseed: 2\n"
    library.save("child", {**library.recall("child"), "/processor/1/value1": 0.2})
    assert numbers(library, "child")[2:] == [0.2, 0.75]


@pytest.mark.parametrize(
    ("processor", "problem"),
    [
        ("{name: shift, bye: 7}", "look.yaml:3:22: shift has no number 'bye'; did you mean by?"),
        ("{name: shift, amount: 7}", "look.yaml:3:25: shift has no number 'amount'; it has by, soft"),
        ("{name: shift, by: 11}", "look.yaml:3:21: by must be 0 to 10; 11 was given"),
        ("{name: shift, by: 1, value1: 0}", "look.yaml:3:21: by is given twice, by its name and by its place"),
        ("{name: shift, by: much}", "look.yaml:3:21: processor/1/by must be a number, or one of name, active, "),
        ("{name: shift, by: .nan}", "look.yaml:3:21: processor/1/by must be a number"),
        ("{name: shift, by: true}", "look.yaml:3:21: processor/1/by must be a number"),
        ("{name: shift, a-b: 1}", "look.yaml:3:22: processor/1/a-b must be a number"),
    ],
)
def test_wrong_numbers_are_refused_with_their_line(library: Library, processor: str, problem: str) -> None:
    put(library, "look", processor)
    with pytest.raises(PresetError) as refused:
        library.recall("look")
    assert str(refused.value).startswith(f"{library.folder}/{problem}")


def test_absent_processor_keeps_its_numbers(library: Library, tmp_path: Path) -> None:
    put(library, "look", "{name: later, by: 7}")
    assert numbers(library, "look") == ["later", True, 0.5, 0.5]
    assert library.load("look").numbers[0][:3] == (1, "by", 7.0)
    assert "by: 7.0" in preset_text(library.load("look"))
    (tmp_path / "processors" / "later.py").write_text(SHIFT)
    assert numbers(library, "look")[2] == 0.7
