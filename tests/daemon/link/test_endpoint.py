"""The link's folder: made for this user alone, not piling up, and not needed where it can't be."""

import socket
import sys
import tempfile
from pathlib import Path

import pytest
import zmq

from daemon.link.endpoint import bind

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="there is no ipc there, and no folder")


def test_what_a_killed_show_left_is_removed_and_what_a_live_one_has_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    stranger = tmp_path / "streamflow-notes"
    stranger.mkdir()
    (stranger / "link").write_text("no socket")
    with zmq.Context() as context, context.socket(zmq.ROUTER) as live, context.socket(zmq.ROUTER) as next_one:
        left = _as_left_behind(tmp_path)
        assert left.is_dir()
        endpoint, folder = bind(live)
        assert not left.exists()
        assert folder is not None
        assert endpoint == f"ipc://{folder}/link"
        assert folder.stat().st_mode & 0o777 == 0o700
        bind(next_one)
        assert folder.exists()
        assert stranger.exists()


def _as_left_behind(parent: Path) -> Path:
    """A folder with a socket whose program was killed: bound, and never unlinked."""
    folder = parent / "streamflow-killed"
    folder.mkdir()
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as gone:
        gone.bind(str(folder / "link"))
    return folder


def test_a_folder_for_temporary_files_that_is_too_deep_or_not_there_is_done_without(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    deep = tmp_path / ("d" * 120)
    deep.mkdir()
    for place in (deep, tmp_path / "nowhere"):
        monkeypatch.setattr(tempfile, "tempdir", str(place))
        with zmq.Context() as context, context.socket(zmq.ROUTER) as router, context.socket(zmq.DEALER) as renderer:
            router.linger = renderer.linger = 0
            endpoint, folder = bind(router)
            assert folder is None
            renderer.connect(endpoint)
            renderer.send(b"hello")
            assert router.poll(10_000)
    assert not list(deep.iterdir())
