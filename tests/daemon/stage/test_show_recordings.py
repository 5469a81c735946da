"""Recordings of real shows: ended, killed, suspended, and on a disk that fills up."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from show import Show, until

av = pytest.importorskip("av")

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="it wants SIGKILL and SIGSTOP")

FPS = 30


def times(path: Path) -> list[float]:
    """Return the times of all frames in seconds."""
    with av.open(str(path)) as container:
        return [float(frame.pts * frame.time_base) for frame in container.decode(video=0)]


def recording(show: Show) -> dict[str, Any]:
    """Return the status of the sink that records."""
    sinks: list[dict[str, Any]] = show.status()["sinks"]
    return next(sink for sink in sinks if sink.get("sink") == "record")


def has_recorded(show: Show, seconds: float) -> bool:
    return bool(recording(show)["seconds"] >= seconds)


def test_ended_show_leaves_its_recording(tmp_path: Path) -> None:
    path = tmp_path / "show.mp4"
    arguments = ("--sink", f"record:{path}", "--source", "card:", "--size", "128x96")
    for name in ("show.mp4", "show-2.mp4"):
        with Show(tmp_path / "show", *arguments) as show:
            until(lambda show=show: has_recorded(show, 1.0))
            assert recording(show)["path"] == str(tmp_path / name)
            show.end()
            log = "".join(show.log.read_text().split())  # The terminal wraps long paths.
        assert f"recorded{tmp_path / name}," in log
        assert "theshowhasstopped" in log
        taken = times(tmp_path / name)
        assert taken[0] == 0
        assert taken[-1] >= 1.0 - 2 / FPS
        for before, after in pairwise(taken):
            assert (after - before) * FPS == pytest.approx(round((after - before) * FPS), abs=0.05)
            assert after > before


def test_killed_show_leaves_its_recording(tmp_path: Path) -> None:
    path = tmp_path / "show.mp4"
    with Show(tmp_path / "show", "--sink", f"record:{path}", "--source", "card:", "--size", "128x96") as show:
        until(lambda: has_recorded(show, 3.5))
        os.kill(show.process.pid, signal.SIGKILL)
        show.process.wait()
    assert times(path)[-1] >= 1.5


def test_suspended_show_leaves_a_gap(tmp_path: Path) -> None:
    path = tmp_path / "show.mkv"
    with Show(tmp_path / "show", "--sink", f"record:{path}", "--source", "card:", "--size", "128x96") as show:
        until(lambda: has_recorded(show, 1.0))
        os.kill(show.process.pid, signal.SIGSTOP)
        time.sleep(2.0)
        os.kill(show.process.pid, signal.SIGCONT)
        until(lambda: has_recorded(show, 4.0))
        show.end()
    assert max(after - before for before, after in pairwise(times(path))) >= 1.9


@pytest.fixture
def nearly_full_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system in memory with four megabytes more than a recording leaves free."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=260m", "tmpfs", str(disk)]
    if sys.platform != "linux" or os.geteuid() or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("only root may mount a file system")
    yield disk
    subprocess.run(["umount", "-l", str(disk)], check=True)


def test_show_goes_on_with_a_full_disk(tmp_path: Path, nearly_full_disk: Path) -> None:
    path = nearly_full_disk / "show.mkv"
    arguments = ("--sink", f"record:{path}?codec=ffv1&size=640x480", "--source", "card:", "--size", "256x192")
    with Show(tmp_path / "show", *arguments) as show:
        until(lambda: recording(show)["failures"] > 1)
        sink = recording(show)
        assert "is full" in sink["failure"]
        assert not sink["open"]
        ticks = show.status()["ticks"]
        show.picture(lambda meta, pixels: meta["tick"] > ticks + FPS)
        assert "is full" in show.log.read_text()
    assert [each.name for each in nearly_full_disk.iterdir()] == ["show.mkv"]
    assert len(times(path)) > 3
