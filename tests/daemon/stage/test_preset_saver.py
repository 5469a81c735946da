"""Saving presets over others: the confirmation for a shipped one, and undo."""

from pathlib import Path

import pytest
from store_answers import OSC, accepted, put, refused

from daemon.stage.parameter_store import ParameterStore
from daemon.stage.preset_saver import CONFIRM_WITHIN, MOST_UNDONE, LoadedPreset, PresetSaver
from presets.errors import PresetError
from presets.library import Library
from presets.strict_yaml import MAX_BYTES

ASKS = "fire is a shipped preset. Send /save fire again within 10 s to replace it."
WEB = "web:1"


def test_shipped_preset_is_replaced_after_a_second_request(store: ParameterStore, library: Library) -> None:
    accepted(store.apply("/preset", ["ice-cells"], OSC))
    accepted(store.apply("/strength", [0.125], OSC))
    assert refused(store.apply("/save", ["fire"], OSC)) == ASKS
    assert library.is_shipped("fire")
    assert store.values()["/preset"] == "ice-cells"
    note = accepted(store.apply("/save", ["fire"], OSC)).note
    assert note == f"saved as {library.folder / 'fire.yaml'}; /undo_save brings back what it replaced"
    assert library.recall("fire")["/strength"] == 0.125
    assert store.values()["/preset"] == "fire"


def test_undo_brings_the_shipped_preset_back(store: ParameterStore, library: Library) -> None:
    before = library.recall("fire")
    accepted(store.apply("/preset", ["ice-cells"], OSC))
    accepted(store.apply("/strength", [0.125], OSC))
    refused(store.apply("/save", ["fire"], OSC))
    accepted(store.apply("/save", ["fire"], OSC))
    assert accepted(store.apply("/undo_save", [1], OSC)).note == "the shipped preset fire is back"
    assert library.is_shipped("fire")
    assert library.recall("fire") == before
    values = store.values()
    assert (values["/preset"], values["/strength"]) == ("ice-cells", 0.125), "the picture stays"
    accepted(store.apply("/panic", [], OSC))
    assert store.values()["/strength"] == library.recall("ice-cells")["/strength"]
    assert refused(store.apply("/undo_save", [], OSC)) == "there is no save to undo"


def test_own_preset_is_replaced_at_the_first_request(store: ParameterStore, library: Library) -> None:
    put(library, "mine", "# by hand\nstrength: 0.1\n")
    accepted(store.apply("/preset", ["mine"], OSC))
    for strength in (0.2, 0.3):
        accepted(store.apply("/strength", [strength], OSC))
        assert "/undo_save" in accepted(store.apply("/save", ["mine"], OSC)).note
    assert accepted(store.apply("/undo_save", [], OSC)).note == "mine is as it was before"
    assert library.recall("mine")["/strength"] == 0.2
    accepted(store.apply("/panic", [], OSC))
    assert store.values()["/strength"] == 0.2
    accepted(store.apply("/undo_save", [], OSC))
    assert (library.folder / "mine.yaml").read_text() == "# by hand\nstrength: 0.1\n"
    accepted(store.apply("/panic", [], OSC))
    assert store.values()["/strength"] == 0.1


def test_undo_removes_a_new_preset(store: ParameterStore, library: Library) -> None:
    names = library.names()
    assert "/undo_save" not in accepted(store.apply("/save", ["mine"], OSC)).note
    assert accepted(store.apply("/undo_save", [], OSC)).note == "mine is removed"
    assert library.names() == names


def test_undo_leaves_another_loaded_preset(store: ParameterStore) -> None:
    accepted(store.apply("/save", ["mine"], OSC))
    accepted(store.apply("/preset", ["neon"], OSC))
    accepted(store.apply("/undo_save", [], OSC))
    assert store.values()["/preset"] == "neon"


@pytest.mark.parametrize(
    ("second", "sender", "after"),
    [("neon", OSC, 1.0), ("fire", WEB, 1.0), ("fire", OSC, CONFIRM_WITHIN + 0.1)],
    ids=["another name", "another surface", "too late"],
)
def test_presses_that_confirm_nothing(library: Library, second: str, sender: str, after: float) -> None:
    now = [100.0]
    saver = PresetSaver(library, lambda: now[0])
    values = library.recall("ice-cells")
    loaded = LoadedPreset("ice-cells", values)
    with pytest.raises(PresetError, match="fire is a shipped preset"):
        saver.save("fire", values, OSC, loaded)
    now[0] += after
    with pytest.raises(PresetError, match=f"{second} is a shipped preset"):
        saver.save(second, values, sender, loaded)
    now[0] += 1.0
    saver.save(second, values, sender, loaded)


def test_another_port_of_one_surface_confirms(library: Library) -> None:
    saver, values = PresetSaver(library), library.recall("ice-cells")
    loaded = LoadedPreset("ice-cells", values)
    with pytest.raises(PresetError, match="FIRE is a shipped preset"):
        saver.save("FIRE", values, OSC, loaded)
    place = library.names().index("fire")
    saver.save("FIRE", values, "osc:127.0.0.1:9", loaded)
    assert library.names()[place] == "FIRE", "in the place of fire"


def test_a_file_changed_since_is_left(store: ParameterStore, library: Library) -> None:
    accepted(store.apply("/save", ["mine"], OSC))
    put(library, "mine", "seed: 9\n")
    assert "changed since it was saved" in refused(store.apply("/undo_save", [], OSC))
    assert library.recall("mine")["/seed"] == 9
    accepted(store.apply("/save", ["other"], OSC))
    (library.folder / "other.yaml").unlink()
    assert "changed since it was saved" in refused(store.apply("/undo_save", [], OSC))


def test_a_file_too_large_to_restore_is_left(store: ParameterStore, library: Library) -> None:
    text = "#" * (MAX_BYTES + 10)
    put(library, "mine", text)
    assert "larger than a preset can be" in refused(store.apply("/save", ["mine"], OSC))
    assert (library.folder / "mine.yaml").read_text() == text


def test_undo_is_bounded(store: ParameterStore, library: Library) -> None:
    for seed in range(MOST_UNDONE + 1):
        store.apply("/seed", [seed], OSC)
        accepted(store.apply("/save", ["mine"], OSC))
    for _ in range(MOST_UNDONE):
        accepted(store.apply("/undo_save", [], OSC))
    refused(store.apply("/undo_save", [], OSC))
    assert library.recall("mine")["/seed"] == 0


def test_undo_survives_a_full_disk(library: Library, monkeypatch: pytest.MonkeyPatch) -> None:
    saver, values = PresetSaver(library), library.recall("fire")
    put(library, "mine", "seed: 9\n")
    saver.save("mine", values, OSC, LoadedPreset("", values))

    def full(path: Path, data: bytes) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("daemon.stage.preset_saver.write_atomically", full)
        with pytest.raises(PresetError, match="can't be restored: No space left"):
            saver.undo()
    saver.undo()
    assert library.recall("mine")["/seed"] == 9
