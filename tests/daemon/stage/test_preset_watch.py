"""The preset on air, saved by an editor: loaded again, or refused while what is on air stays."""

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from show import until

from daemon.stage.parameter_store import ParameterStore
from daemon.stage.preset_watch import PresetWatch
from presets.library import Library


@pytest.fixture
def watch(library: Library, store: ParameterStore) -> PresetWatch:
    library.folder.mkdir()
    write(library.folder / "mine.yaml", "prompt: ice\nstrength: 0.5\n")
    assert store.apply("/preset", ["mine"], "osc").accepted
    watch = PresetWatch(library, store)
    watch.look()
    return watch


def write(path: Path, text: str) -> None:
    """Save as editors do: a new file in the place of the old one."""
    aside = path.with_suffix(".part")
    aside.write_text(text)
    aside.replace(path)


def test_saved_file_is_loaded(watch: PresetWatch, library: Library, store: ParameterStore) -> None:
    store.apply("/strength", [0.9], "osc")
    before = store.wanted
    watch.look()
    assert store.wanted == before, "nothing was saved"
    write(library.folder / "mine.yaml", "prompt: fire\nstrength: 0.25\n")
    watch.look()
    assert (store.values()["/prompt/1/text"], store.values()["/strength"]) == ("fire", 0.25)
    store.apply("/panic", [], "osc")
    assert store.values()["/strength"] == 0.25, "panic goes back to the new file"


@pytest.mark.parametrize("text", ["prompt: fire\nstrength: 0.5\n", "strenght: 0.5\n"])
def test_file_saved_before_the_first_look(
    watch: PresetWatch, library: Library, store: ParameterStore, text: str
) -> None:
    write(library.folder / "other.yaml", "prompt: ice\nstrength: 0.5\n")
    assert store.apply("/preset", ["other"], "osc").accepted
    write(library.folder / "other.yaml", text)
    for _ in range(2):
        watch.look()
    assert store.values()["/prompt/1/text"] == ("fire" if "fire" in text else "ice")
    assert str(store.status()["refusals"]).count("did you mean strength") == ("strenght" in text)
    store.recall("mine", {"/morph": 3.0}, "cue")
    store.apply("/strength", [0.9], "osc")
    watch.look()
    assert store.values()["/strength"] == 0.9, "the morph of a cue is no other file"


def test_broken_file_is_refused_once(watch: PresetWatch, library: Library, store: ParameterStore) -> None:
    write(library.folder / "mine.yaml", "prompt: fire\nstrenght: 0.25\n")
    before = store.values()
    for _ in range(3):
        watch.look()
    assert store.values() == before
    refused = store.status()["refusals"]
    assert "mine.yaml:2" in str(refused)
    assert "did you mean strength" in str(refused)
    assert str(refused).count("mine.yaml") == 1
    write(library.folder / "mine.yaml", "prompt: fire\nstrength: 0.25\n")
    watch.look()
    assert store.values()["/prompt/1/text"] == "fire"


def test_files_of_killed_writers_are_removed(watch: PresetWatch, library: Library) -> None:
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    left = library.folder / f".a b.yaml.{ended.pid}-0123abcd.tmp"
    kept = [
        library.folder / name for name in (f".mine.yaml.{os.getpid()}-0123abcd.tmp", ".mine.yaml.tmp", "x.yaml.1.tmp")
    ]
    for file in (left, *kept):
        file.touch()
    stop = threading.Event()
    watch.start(stop, 0.01)
    until(lambda: not left.exists())
    stop.set()
    assert all(file.exists() for file in kept)


def test_file_that_goes_and_comes_back(watch: PresetWatch, library: Library, store: ParameterStore) -> None:
    path = library.folder / "mine.yaml"
    before = store.values()
    path.unlink()
    watch.look()
    write(path, "prompt: fire\n")
    watch.look()
    assert store.values() == before, "a file that was away is another one"
    write(path, "prompt: fire flames\n")
    watch.look()
    assert store.values()["/prompt/1/text"] == "fire flames"


def test_saved_base_is_loaded(watch: PresetWatch, library: Library, store: ParameterStore) -> None:
    write(library.folder / "base.yaml", "prompt: fire\n")
    write(library.folder / "mine.yaml", "extends: base\nstrength: 0.25\n")
    watch.look()
    write(library.folder / "base.yaml", "prompt: red fire\nstrength: 0.75\n")
    watch.look()
    assert (store.values()["/prompt/1/text"], store.values()["/strength"]) == ("red fire", 0.25)
    write(library.folder / "base.yaml", "prompt: 1\n")
    for _ in range(2):
        watch.look()
    assert str(store.status()["refusals"]).count("base.yaml:1:9: prompt must be a text") == 1
    write(library.folder / "base.yaml", "prompt: blue fire\n")
    watch.look()
    assert store.values()["/prompt/1/text"] == "blue fire", "a mended base is loaded"


def test_another_preset_is_not_a_change(watch: PresetWatch, library: Library, store: ParameterStore) -> None:
    write(library.folder / "other.yaml", "prompt: candy\n")
    assert store.apply("/preset", ["other"], "osc").accepted
    store.apply("/strength", [0.3], "osc")
    watch.look()
    assert store.values()["/strength"] == 0.3


def test_preset_of_the_command_line(library: Library, tmp_path: Path) -> None:
    path = tmp_path / "look.yaml"
    write(path, "prompt: ice\n")
    store = ParameterStore(library, library.resolve(str(path)))
    watch = PresetWatch(library, store)
    watch.look()
    write(path, "prompt: fire\n")
    watch.look()
    assert (store.values()["/prompt/1/text"], store.values()["/preset"]) == ("fire", str(path))


def test_own_saves_are_not_loaded(watch: PresetWatch, store: ParameterStore) -> None:
    store.apply("/strength", [0.9], "osc")
    assert store.apply("/save", ["mine"], "osc").accepted
    store.apply("/strength", [0.7], "osc")
    watch.look()
    assert store.values()["/strength"] == 0.7, "the fader moved after the save"
    assert store.apply("/undo_save", [], "osc").accepted
    watch.look()
    assert store.values()["/strength"] == 0.7, "the picture stays"
