"""Names of recordings from the wire stay in the folder of the show; the command line takes any path."""

from dataclasses import replace
from pathlib import Path

import pytest
from control_rehearsal import Rehearsal
from hypothesis import given
from hypothesis import strategies as st

from daemon.stage.recording_names import controls_path, named_controls, recordings_folder
from daemon.stage.settings import Settings
from presets.control_file import read_controls
from presets.errors import ParameterRefused
from presets.library import Library

FOLDER = Path("/shows/recordings")


@pytest.mark.parametrize("name", ["rehearsal", "rehearsal.jsonl", "köln 2026-11-28 v1.2", "Take_3.JSONL", "con cello"])
def test_names_are_files_of_the_folder(name: str) -> None:
    expected = FOLDER / (name if name.lower().endswith(".jsonl") else f"{name}.jsonl")
    assert named_controls(FOLDER, name) == expected
    assert named_controls(FOLDER, str(FOLDER / name)) == expected, "as the status tells it"


HOSTILE = (
    *("../show", "/etc/cron.d/show", "~/.ssh/show", "sub/show", "..", ".hidden", "", " show", "a" * 120),
    *("..\\show", "C:show", "\\\\host\\share\\show", "nul", "CON.txt", "com1 .jsonl", "a\0b", "a\nb", "\ud800"),
    *(f"{FOLDER}/../show", f"{FOLDER}/sub/show", f"{FOLDER}/.hidden", "/shows/recordings", "show:stream", "a*b"),
)


@pytest.mark.parametrize("name", HOSTILE)
def test_other_paths_are_refused(name: str) -> None:
    with pytest.raises(ParameterRefused, match=r"can't be the name of a recording: .* --recordings FOLDER chooses"):
        named_controls(FOLDER, name)


@given(st.text(max_size=150) | st.lists(st.sampled_from(["..", ".", "/", "\\", "a", "~", str(FOLDER)])).map("".join))
def test_no_text_leaves_the_folder(text: str) -> None:
    try:
        path = named_controls(FOLDER, text)
    except ParameterRefused:
        return
    assert path.parent == FOLDER
    assert (path.name, path.suffix.lower()) == (path.resolve().name, ".jsonl")


def test_the_wire_writes_nothing_elsewhere(tmp_path: Path, library: Library) -> None:
    rehearsal = Rehearsal(library)
    rehearsal.transport.folder = tmp_path / "recordings"
    (tmp_path / "secret.jsonl").write_text("a secret")
    for address in ("/record/controls", "/play/controls", "/play/loop"):
        for arguments in ([str(tmp_path / "secret")], ["../secret"]):
            reply = rehearsal.show.apply(address, arguments, "osc:10.0.0.9:5000")
            assert not reply.accepted
            assert f"give that of a file in {tmp_path / 'recordings'}" in reply.note
        assert not rehearsal.show.apply(f"{address}/../secret", [], "osc:10.0.0.9:5000").accepted
    assert not rehearsal.transport.recorder.is_on
    assert [path.name for path in tmp_path.iterdir()] == ["secret.jsonl"]


def test_folder_of_the_command_line(tmp_path: Path, library: Library) -> None:
    rehearsal = Rehearsal(library)
    rehearsal.record(tmp_path / "played.jsonl")
    rehearsal.play(2)
    controls = read_controls(rehearsal.recorded().path)
    settings = Settings(play_controls=controls)
    assert recordings_folder(settings) == tmp_path
    settings = replace(settings, record_controls=Path("takes/tonight.jsonl"))
    assert recordings_folder(settings) == Path.cwd() / "takes"
    assert recordings_folder(replace(settings, recordings=FOLDER)) == FOLDER.absolute()
    assert recordings_folder(Settings()).parts[-2:] == ("streamflow-live", "recordings")
    assert controls_path("../anywhere/show") == Path("../anywhere/show.jsonl"), "a path of the command line"
