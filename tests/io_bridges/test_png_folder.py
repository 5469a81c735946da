"""``png:`` sink: distinct frames only, bounded, whole files, and no overwriting."""

import os
import shutil

import numpy as np
import pytest

from io_bridges import disk_space
from io_bridges.frames import RenderedFrame, Tick
from io_bridges.image_files import read_still
from io_bridges.png_folder import PngFolder
from presets.errors import BridgeError, BridgeUnavailable


def rendered(index):
    pixels = np.full((8, 12, 3), (index, 2, 3), np.uint8)
    return RenderedFrame(pixels, index=index, source_index=index, captured_at=0, revision=0)


def write(sink, indices):
    sink.open(12, 8, 30.0)
    for tick, index in enumerate(indices):
        sink.write(rendered(index), Tick(tick, 0, repeated=False))
    sink.close()


def reds(folder):
    return [int(read_still(path)[0, 0, 0]) for path in sorted(folder.iterdir())]


def test_distinct_frames_written_once(tmp_path):
    folder = tmp_path / "deep" / "frames"
    sink = PngFolder(str(folder))
    write(sink, [-1, 4, 4, 4, 5, 5, 9])  # The slate has index -1.
    assert reds(folder) == [4, 5, 9]
    assert sorted(path.name for path in folder.iterdir()) == ["000000.png", "000001.png", "000002.png"]
    assert tuple(read_still(folder / "000000.png")[0, 0].tolist()) == (4, 2, 3)
    assert sink.status()["pictures"] == 3


def test_every_nth_frame(tmp_path):
    write(PngFolder(str(tmp_path), every=3), range(8))
    assert reds(tmp_path) == [0, 3, 6]


def test_reopening_continues_numbering(tmp_path):
    sink = PngFolder(str(tmp_path))
    write(sink, [1, 2])
    write(sink, [3])
    assert reds(tmp_path) == [1, 2, 3]


def test_folder_is_bounded(tmp_path):
    sink = PngFolder(str(tmp_path), max=3)
    write(sink, range(10))
    assert reds(tmp_path) == [0, 1, 2]
    assert sink.status()["full"] is True
    with pytest.raises(BridgeUnavailable, match="max="):
        sink.open(12, 8, 30.0)


def test_unwritable_folder_is_refused(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(BridgeUnavailable, match="Cannot write"):
        PngFolder(str(tmp_path / "file" / "frames")).open(12, 8, 30.0)
    if os.geteuid() != 0:  # Root may write everywhere.
        closed = tmp_path / "closed"
        closed.mkdir(mode=0o500)
        with pytest.raises(BridgeUnavailable, match="Cannot write"):
            PngFolder(str(closed)).open(12, 8, 30.0)


def test_deleted_folder_is_an_error(tmp_path):
    folder = tmp_path / "frames"
    sink = PngFolder(str(folder))
    sink.open(12, 8, 30.0)
    folder.rmdir()
    with pytest.raises(BridgeError, match=r"000000\.png"):
        sink.write(rendered(0), Tick(0, 0, repeated=False))
    sink.close()


def test_disk_keeps_its_reserve(tmp_path, monkeypatch):
    sink = PngFolder(str(tmp_path))
    sink.open(12, 8, 30.0)
    sink.write(rendered(0), Tick(0, 0, repeated=False))
    free = shutil.disk_usage(tmp_path).free
    with monkeypatch.context() as full:
        full.setattr(disk_space, "RESERVE", free * 2)
        with pytest.raises(BridgeError, match="MB are left, and a picture leaves"):
            sink.write(rendered(1), Tick(1, 0, repeated=False))
        with pytest.raises(BridgeUnavailable, match="write to another disk"):
            sink.open(12, 8, 30.0)
    sink.open(12, 8, 30.0)
    sink.write(rendered(2), Tick(2, 0, repeated=False))
    assert reds(tmp_path) == [0, 2], "it goes on once there is room"
