"""Scratch folders of killed owners are removed. Those in use and those of other programs stay."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from daemon.shared.scratch_folder import OWNER, PREFIX, remove_leftover_folders, scratch_folder

HOLDS = """
import sys
from daemon.shared.scratch_folder import scratch_folder
with scratch_folder() as folder:
    (folder / "deep").mkdir()
    (folder / "deep" / "graph.onnx").write_bytes(b"x")
    print(folder, flush=True)
    sys.stdin.read()
"""


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    return tmp_path


@contextmanager
def owner() -> Iterator[tuple["subprocess.Popen[bytes]", Path]]:
    command = [sys.executable, "-c", HOLDS]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        yield process, Path(process.stdout.readline().decode().strip())
        process.kill()


def make_old(folder: Path) -> None:
    os.utime(folder / OWNER, (1, 1))


def test_folder_of_a_killed_owner_is_removed(place: Path) -> None:
    with owner() as (process, killed):
        process.kill()
    with owner() as (process, in_use):
        make_old(killed)
        make_old(in_use)
        with scratch_folder() as mine:
            assert set(place.iterdir()) == {in_use, mine}
            assert not remove_leftover_folders(in_use)
            assert (in_use / "deep" / "graph.onnx").exists()
        assert list(place.iterdir()) == [in_use]
    assert remove_leftover_folders(in_use), "its owner has ended"
    assert list(place.iterdir()) == []


def test_folder_being_made_stays(place: Path) -> None:
    (place / f"{PREFIX}new").mkdir()
    (place / f"{PREFIX}new" / OWNER).touch()
    with scratch_folder():
        assert (place / f"{PREFIX}new").exists()


def test_foreign_folders_stay(place: Path) -> None:
    for name in (f"{PREFIX}photos", "photos"):
        (place / name).mkdir()
    (place / "photos" / OWNER).touch()
    make_old(place / "photos")
    (place / f"{PREFIX}link").symlink_to(place / "photos")
    before = set(place.iterdir())
    with scratch_folder():
        pass
    assert set(place.iterdir()) == before
    assert (place / "photos" / OWNER).exists()
    assert not any(map(remove_leftover_folders, before))
