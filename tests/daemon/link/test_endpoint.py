"""Folder of the link: made for this user alone, removed after a killed show, and not needed where it can't be made."""

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import zmq

from daemon.link.endpoint import YOUNG, bind

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no ipc, and no folder for it")

SHOW = """
import sys, time, zmq
from daemon.link.endpoint import bind
listener = zmq.Context().socket(zmq.ROUTER)
print(bind(listener)[1], flush=True)
time.sleep(600)
"""


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Temporary folder of the processes of a test."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    return tmp_path


def start() -> Path:
    """Bind in this process, close again, and return the folder."""
    with zmq.Context() as context, context.socket(zmq.ROUTER) as listener:
        endpoint, folder = bind(listener)
        assert folder is not None
        assert endpoint == f"ipc://{folder}/link"
        assert folder.stat().st_mode & 0o777 == 0o700
        return folder


@contextmanager
def show() -> Iterator[tuple["subprocess.Popen[str]", Path]]:
    """Another process that has bound its link."""
    with subprocess.Popen([sys.executable, "-c", SHOW], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        yield process, Path(process.stdout.readline().strip())
        process.kill()


def test_killed_show_leaves_no_folder(place: Path) -> None:
    with show() as (process, folder):
        process.kill()
        process.wait()
        assert (folder / "link").is_socket()
        start()
        assert not folder.exists()


def test_live_and_stopped_shows_keep_their_folders(place: Path) -> None:
    with show() as (_, live), show() as (stopped, held):
        os.kill(stopped.pid, signal.SIGSTOP)
        for _ in range(3):
            start()
        assert (live / "link").is_socket()
        assert (held / "link").is_socket()


def test_folder_without_socket_goes_once_it_is_old(place: Path) -> None:
    young, old = place / "streamflow-link-young", place / "streamflow-link-old"
    young.mkdir()
    old.mkdir()
    os.utime(old, (time.time() - 2 * YOUNG,) * 2)
    start()
    assert young.exists()
    assert not old.exists()


def test_other_folders_and_files_stay(place: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as gone:
        notes = place / "streamflow-link-notes"
        notes.mkdir()
        gone.bind(str(notes / "link"))
    (notes / "notes.txt").write_text("kept")
    plain = place / "streamflow-link-plain"
    plain.mkdir()
    (plain / "link").write_text("no socket")
    (place / "streamflow-link-file").write_text("no folder")
    (place / "streamflow-link-symlink").symlink_to(place / "elsewhere")
    (place / "elsewhere").mkdir()
    for path in (plain, notes):
        os.utime(path, (0, 0))
    start()
    assert (notes / "notes.txt").exists()
    assert (plain / "link").exists()
    assert (place / "streamflow-link-file").exists()
    assert (place / "elsewhere").exists()


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root can make another user's folder")
def test_folder_of_other_user_stays(place: Path) -> None:
    folder = place / "streamflow-link-other"
    folder.mkdir()
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as gone:
        gone.bind(str(folder / "link"))
    os.chown(folder, 12345, 12345)
    start()
    assert (folder / "link").is_socket()


def test_unusable_temporary_folder_gives_a_port(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    deep = place / ("d" * 120)
    deep.mkdir()
    for folder in (deep, place / "nowhere"):
        monkeypatch.setattr(tempfile, "tempdir", str(folder))
        with zmq.Context() as context, context.socket(zmq.ROUTER) as router, context.socket(zmq.DEALER) as renderer:
            router.linger = renderer.linger = 0
            endpoint, made = bind(router)
            assert made is None
            renderer.connect(endpoint)
            renderer.send(b"hello")
            assert router.poll(10_000)
    assert not list(deep.iterdir())
