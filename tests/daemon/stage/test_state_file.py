"""The state file: values are restored, a damaged file is moved aside."""

import json
import logging
import os
import subprocess
import sys
from pathlib import Path

import pytest

from daemon.stage.state_file import MOST_BYTES, KeptState, StateFile, default_state_path
from presets.parameter_table import PARAMETERS, Value

VALUES: dict[str, Value] = {address: parameter.default for address, parameter in PARAMETERS.items()} | {
    "/strength": 0.123456789,
    "/seed": 2**31 - 1,
    "/prompt/2/text": "grünes Feuer 🔥",
    "/blackout": True,
    "/preset": "fire",
    "/mode": "text",
}


class Hand:
    """A clock that the test sets."""

    def __init__(self) -> None:
        self.at = 100.0

    def __call__(self) -> float:
        return self.at


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "deep" / "state.json"


def test_round_trip(path: Path) -> None:
    assert StateFile(path).restore() == {}
    assert StateFile(path).save_if_changed(VALUES)
    restored = StateFile(path).restore()
    assert restored == VALUES
    assert {address: type(value) for address, value in restored.items()} == {a: type(v) for a, v in VALUES.items()}


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has other permissions")
def test_state_is_private(path: Path) -> None:
    assert StateFile(path).save_if_changed(VALUES)
    assert path.stat().st_mode & 0o077 == 0, "the address of a source may hold a password"


def test_changes_are_written_once_a_second(path: Path) -> None:
    now = Hand()
    state = StateFile(path, now)
    assert state.save_if_changed(VALUES)
    now.at += 0.5
    moved = VALUES | {"/strength": 0.5}
    assert not state.save_if_changed(moved)
    assert StateFile(path).restore()["/strength"] == VALUES["/strength"]
    now.at += 0.5
    assert state.save_if_changed(moved)
    assert StateFile(path).restore()["/strength"] == 0.5
    now.at += 5
    assert not state.save_if_changed(dict(moved))
    assert state.save_if_changed(VALUES, at_once=True)
    assert state.save_if_changed(moved, at_once=True)


def test_written_values_are_a_copy(path: Path) -> None:
    now = Hand()
    state = StateFile(path, now)
    values = dict(VALUES)
    state.save_if_changed(values)
    values["/seed"] = 1
    now.at += 2
    assert state.save_if_changed(values)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{",
        b"\xff\xfe",
        b"[]",
        b'{"values": []}',
        b'{"version": 1}',
        b"[" * 100_000,
        b'{"values": ' + b"9" * 5000 + b"}",
        b" " * (MOST_BYTES + 1),
        json.dumps({"version": 1, "values": VALUES}).encode()[:-20],
    ],
    ids=range(10),
)
def test_damaged_file_is_moved_aside(path: Path, data: bytes, caplog: pytest.LogCaptureFixture) -> None:
    path.parent.mkdir()
    path.write_bytes(data)
    assert StateFile(path).restore() == {}
    assert [file.name for file in path.parent.iterdir()] == ["state.json.damaged"]
    assert (path.parent / "state.json.damaged").read_bytes() == data
    assert "Starting with the defaults" in caplog.text


def test_unknown_entries_are_skipped(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    path.parent.mkdir()
    values = {"/strength": 7, "/glitter": 1, "/steps": None, "/seed": 3, "/mode": "sideways"}
    path.write_text(json.dumps({"version": 99, "values": values}))
    assert StateFile(path).restore() == {"/strength": 1.0, "/seed": 3}
    assert "/glitter" in caplog.text
    assert "/steps" in caplog.text
    assert "sideways" in caplog.text


def test_full_disk_is_logged_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "file").write_text("")
    now = Hand()
    state = StateFile(tmp_path / "file" / "state.json", now)
    assert state.restore() == {}
    for _ in range(3):
        assert not state.save_if_changed(VALUES)
        now.at += 2
    assert caplog.text.count("The show continues") == 1
    (tmp_path / "file").unlink()
    assert state.save_if_changed(VALUES)


@pytest.mark.skipif(sys.platform == "win32", reason="named pipes are POSIX")
def test_pipe_is_left_alone(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path.parent.mkdir()
    os.mkfifo(path)
    state = StateFile(path)
    assert state.restore() == {}
    assert not state.save_if_changed(VALUES)
    assert path.is_fifo()
    assert "no regular file" in caplog.text
    assert "the state can't be saved" in caplog.text


def test_default_path(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    assert default_state_path().name == "state.json"
    assert default_state_path().parent.name == "streamflow-live"
    assert StateFile().path == default_state_path()


KILLED_WRITERS = """
import os, signal, sys
from pathlib import Path
from daemon.stage.state_file import StateFile
from presets import atomic_write

path = Path(sys.argv[1])
StateFile(path).save_if_changed({"/seed": 0})
for kill_at in range(1, 500):
    writer = os.fork()
    if not writer:
        lines = 0
        def trace(frame, event, argument):
            global lines
            if frame.f_code.co_filename != atomic_write.__file__:
                return None
            if event == "line":
                lines += 1
                if lines == kill_at:
                    os.kill(os.getpid(), signal.SIGKILL)
            return trace
        sys.settrace(trace)
        StateFile(path).save_if_changed({"/seed": kill_at})
        os._exit(0)
    ended = os.waitpid(writer, 0)[1]
    seed = StateFile(path).restore()["/seed"]
    print(kill_at, seed, len(list(path.parent.glob(".*.tmp"))))
    if not ended:
        break
"""


@pytest.mark.skipif(sys.platform == "win32", reason="fork is missing")
def test_writer_killed_at_every_line(path: Path) -> None:
    program = [sys.executable, "-c", KILLED_WRITERS, str(path)]
    done = subprocess.run(program, capture_output=True, text=True, check=True, timeout=60)
    rows = [tuple(map(int, line.split())) for line in done.stdout.splitlines()]
    kept = 0
    for kill_at, seed, _ in rows:
        assert seed in (kept, kill_at), "the file is the old one or the new one, whole"
        kept = seed
    assert len(rows) > 10
    assert rows[-1][:2] == (len(rows), len(rows)), "the last writer was not killed"
    assert rows[-1][2] > 0, "writers that were killed leave files"
    other = path.with_name(".other.json.1-0123abcd.tmp")
    other.touch()
    state = KeptState(path, lambda: dict(VALUES))
    state.claim()
    state.release()
    assert list(path.parent.glob(".*.tmp")) == [other], "the next show removes its own, and no one else's"


def test_page_tells_that_nothing_is_saved(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    state = KeptState(tmp_path / "file" / "state.json", lambda: dict(VALUES))
    assert state.notices() == []
    state.claim()
    state.save()
    (notice,) = state.notices()
    assert notice.level == "warning"
    assert str(tmp_path / "file" / "state.json") in notice.text
    (tmp_path / "file").unlink()
    state.save(at_once=True)
    assert state.notices() == []
    state.release()
