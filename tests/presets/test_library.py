"""The library: shipped presets, the user's in their place, and names that are never paths."""

import os
import unicodedata
from pathlib import Path

import pytest
import yaml

from presets.build import REBUILD_KEYS
from presets.errors import PresetError
from presets.library import MAX_PRESETS, ORDER_FILE, Library, check_name
from presets.parameter_table import PARAMETERS

ICE = "description: mine\nprompt: ice\nstrength: 0.25\n"


@pytest.fixture
def library(tmp_path: Path) -> Library:
    return Library(tmp_path / "presets")


def put(library: Library, name: str, text: str) -> None:
    library.folder.mkdir(exist_ok=True)
    (library.folder / name).write_text(text)


def test_shipped_until_replaced(library: Library) -> None:
    assert library.is_shipped("FIRE")
    assert not library.is_shipped("nowhere")
    library.save("Fire", library.recall("fire"))
    assert not library.is_shipped("fire")


def test_at_least_four_presets_are_shipped(library: Library) -> None:
    entries = library.entries()
    assert len(entries) >= 4
    assert all(entry.shipped and not entry.error for entry in entries)
    for entry in entries:
        assert entry.preset is not None
        assert {"prompt", "strength", "steps", "seed"} <= entry.preset.values.keys()
        assert entry.preset.description
        assert not REBUILD_KEYS & entry.preset.values.keys(), "a shipped preset must not start a renderer"


def test_shipped_presets_differ(library: Library) -> None:
    presets = [library.recall(name) for name in library.names()]
    for key in ("/prompt/1/text", "/seed", "/preset"):
        assert len({preset[key] for preset in presets}) == len(presets)
    assert len({preset["/strength"] for preset in presets}) >= 3


def test_shipped_presets_are_listed_first(library: Library) -> None:
    shipped = library.names()
    assert shipped == sorted(shipped)
    for name in ("Zebra", "aal", "Mond", shipped[1].upper()):
        put(library, f"{name}.yaml", ICE)
    own = shipped[1].upper()
    assert library.names() == [shipped[0], own, *shipped[2:], "aal", "Mond", "Zebra"], "one takes the shipped place"


def test_every_yaml_suffix_is_listed(library: Library) -> None:
    put(library, "first.yaml", "prompt: ice\n")
    (library.folder / "mine.yml").write_text("prompt: ocean\n")
    (library.folder / "UPPER.YAML").write_text("prompt: fire\n")
    assert {"first", "mine", "UPPER"} <= set(library.names())
    assert library.recall("mine")["/prompt/1/text"] == "ocean"
    assert library.save("mine", {**library.recall("mine"), "/strength": 0.5}).name == "mine.yml"
    assert library.recall("mine")["/strength"] == 0.5


def test_spaces_and_dashes_are_alike(library: Library) -> None:
    put(library, "My Look_2.yaml", "prompt: ice\n")
    for name in ("my-look-2", "MY LOOK 2", "my_look_2"):
        assert library.recall(name)["/preset"] == "My Look_2"


def test_saving_moves_no_other_preset(library: Library) -> None:
    put(library, "mine.yaml", ICE)
    before = library.names()
    values = library.recall("fire")
    for name in ("zoo", "aaa", "mine", "zoo"):
        library.save(name, values)
        assert library.names()[: len(before)] == before
    assert library.names() == [*before, "zoo", "aaa"]
    assert Library(library.folder).names() == [*before, "zoo", "aaa"], "a restart moves none either"
    library.save("Fire", values)
    assert library.names() == ["Fire" if name == "fire" else name for name in [*before, "zoo", "aaa"]]


def test_order_file_may_be_edited(library: Library) -> None:
    for name in ("a", "b", "c"):
        library.save(name, library.recall("fire"))
    (library.folder / ORDER_FILE).write_bytes(b"c\n\xff gone\nfire\n\nb\n")
    assert library.names()[-3:] == ["c", "b", "a"]
    (library.folder / ORDER_FILE).write_bytes("b\na\n".encode("utf-8-sig"))
    assert library.names()[-3:] == ["b", "a", "c"], "PowerShell writes a byte order mark"
    (library.folder / ORDER_FILE).unlink()
    (library.folder / ORDER_FILE).mkdir()
    assert library.names()[-3:] == ["a", "b", "c"]
    library.save("d", library.recall("fire"))
    assert library.names()[-1] == "d"


def test_user_preset_replaces_a_shipped_one(library: Library) -> None:
    shipped = library.names()[0]
    put(library, f"{shipped.upper()}.yaml", ICE)
    assert library.recall(shipped)["/prompt/1/text"] == "ice"
    assert library.recall(shipped)["/preset"] == shipped.upper()
    assert shipped not in library.names()


def test_broken_file_is_listed_with_its_error(library: Library) -> None:
    before = library.names()
    put(library, "broken.yaml", "strength: 2\nsteps: x\n")
    put(library, "näh.yaml", ICE)
    put(library, ".hidden.yaml", ICE)
    put(library, "notes.txt", "not a preset")
    (library.folder / "folder.yaml").mkdir()
    (library.folder / "dangling.yaml").symlink_to(library.folder / "gone")
    put(library, "a.b.yaml", ICE)
    assert library.names() == [*before, "näh"]
    errors = {entry.name: entry.error for entry in library.entries() if entry.error}
    assert errors.keys() == {"broken", "a.b", "folder", "dangling"}
    assert errors["broken"].splitlines()[0].endswith("broken.yaml:1:11: strength must be at most 1; 2 was given")
    with pytest.raises(PresetError, match="strength must be at most 1"):
        library.load("broken")


def test_broken_user_preset_is_not_skipped(library: Library) -> None:
    shipped = library.names()[0]
    put(library, f"{shipped}.yaml", "[")
    with pytest.raises(PresetError, match="not YAML"):
        library.load(shipped)


def test_changed_file_is_read_again(library: Library) -> None:
    put(library, "ice.yaml", ICE)
    assert library.recall("ice")["/strength"] == 0.25
    put(library, "ice.yaml", ICE.replace("0.25", "0.125"))
    assert library.recall("ice")["/strength"] == 0.125
    (library.folder / "ice.yaml").unlink()
    with pytest.raises(PresetError, match="there is no preset 'ice'"):
        library.load("ice")


def test_unknown_name_suggests_one(library: Library) -> None:
    with pytest.raises(PresetError, match=r"there is no preset 'fier'; did you mean fire\?"):
        library.load("fier")


def test_only_the_command_line_takes_paths(library: Library, tmp_path: Path) -> None:
    path = tmp_path / "outside.yaml"
    path.write_text(ICE)
    library.folder.mkdir()
    for name in (str(path), "../outside", "../outside.yaml", "outside.yaml", "..\\outside"):
        with pytest.raises(PresetError, match="there is no preset"):
            library.recall(name)
    opened = library.resolve(str(path))
    assert opened["/strength"] == 0.25
    assert opened["/preset"] == str(path)
    assert library.complete(str(path)).values["seed"] == PARAMETERS["/seed"].default
    assert library.resolve("fire") == library.recall("fire")


@pytest.mark.parametrize(
    "name",
    [
        "",
        " ",
        " a",
        "a ",
        "../a",
        "a/b",
        "a\\b",
        "a.b",
        "a\0",
        "a\n",
        "a\u202eb",
        "x" * 65,
        "𠀀" * 51,
        "a♥",
        "\udc80",
        "CON",
        "lpt1",
    ],
)
def test_bad_names_are_refused(library: Library, name: str) -> None:
    with pytest.raises(PresetError, match="can't be a preset's name"):
        library.save(name, library.recall("fire"))
    assert not library.folder.exists()


@pytest.mark.parametrize(
    "name", ["a", "x" * 64, "My look 2", "-_-", "console", "été", "氷の部屋", "Лёд", "गर्मी", "ความร้อน", "נֵאוֹן", "ثلج٢"]
)
def test_good_names_are_accepted(name: str) -> None:
    assert check_name(name) == name


def test_names_in_any_script(library: Library) -> None:
    for name in ("Été", "Лёд", "ｗｉｄｅ", "氷"):
        path = library.save(unicodedata.normalize("NFD", name), library.recall("fire"))
        assert path.name == unicodedata.normalize("NFC", f"{name}.yaml")
        assert library.names()[-1] == name
    for wanted, name in (("e\u0301te\u0301", "Été"), ("ЛЁД", "Лёд"), ("wide", "ｗｉｄｅ"), ("氷", "氷")):
        assert library.recall(wanted)["/preset"] == name
    (library.folder / "Été.yaml").rename(library.folder / unicodedata.normalize("NFD", "Été.yaml"))
    assert library.recall("été")["/preset"] == "Été", "macOS takes accents apart"
    library.save("Été", library.recall("ice-cells"))
    assert [name for name in library.names() if name == "Été"] == ["Été"]
    assert library.recall("Été")["/prompt/1/text"] == library.recall("ice-cells")["/prompt/1/text"]


def test_saved_preset_is_loaded(library: Library) -> None:
    values = library.recall("fire") | {"/strength": 0.30000001192092896, "/prompt/2/text": "smoke", "/width": 512}
    path = library.save("mine", values)
    assert yaml.safe_load(path.read_text())["strength"] == 0.3
    assert library.recall("mine") == values | {"/strength": 0.3, "/prompt/2/text": "smoke", "/preset": "mine"}
    assert "mine" in library.names()


def test_saving_keeps_the_description(library: Library) -> None:
    put(library, "ice.yaml", ICE)
    library.save("ice", library.recall("ice") | {"/seed": 5})
    assert library.load("ice").description == "mine"
    assert library.load("ice").values["seed"] == 5


def test_saved_presets_are_limited(library: Library) -> None:
    library.folder.mkdir()
    for place in range(MAX_PRESETS):
        (library.folder / f"{place}.yaml").touch()
    values = library.recall("fire")
    with pytest.raises(PresetError, match="delete some"):
        library.save("one-more", values)
    library.save("7", values)


def test_neighbours_wrap_around(library: Library) -> None:
    names = library.names()
    there = [library.neighbour(name, 1) for name in names]
    assert there == [*names[1:], names[0]]
    assert [library.neighbour(name, -1) for name in there] == names
    assert library.neighbour("", 1) == names[0]
    assert library.neighbour("", -1) == names[-1]
    assert library.neighbour("zzz", 1) == names[0]


@pytest.mark.skipif(os.name != "posix", reason="a file where a folder is expected")
def test_unlistable_folder_keeps_shipped_presets(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    library = Library(tmp_path / "file")
    assert library.names()
    assert "can't be listed" in library.listing_error


def test_default_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    folder = Library().folder
    assert folder.name == "presets"
    assert folder.parent.name == "streamflow-live"
