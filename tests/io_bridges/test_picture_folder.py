"""Folders of pictures and numbered sequences as sources: order, sizes, changes while they play, broken files."""

import os
import time

import numpy as np
import pytest

from io_bridges import picture_list
from io_bridges.frames import LONGEST_SIDE
from io_bridges.image_files import encode_still, write_still
from io_bridges.picture_list import PictureList, is_pattern, natural_key
from io_bridges.picture_player import PicturePlayer
from io_bridges.uri import make_source
from presets.errors import BridgeError

PATIENCE = 30.0


def write(folder, name, value, size=(40, 30)):
    folder.mkdir(parents=True, exist_ok=True)
    write_still(folder / name, np.full((size[1], size[0], 3), value, np.uint8))


def opened(uri):
    source = make_source(uri)
    source.open()
    return source


def values(source, count):
    """Return the brightness of that many frames."""
    found, deadline = [], time.monotonic() + PATIENCE
    while len(found) < count and not source.status()["ended"]:
        assert time.monotonic() < deadline, source.status()
        frame = source.read(0.25)
        if frame is not None:
            found.append(int(frame.pixels[0, 0, 0]))
    return found


def until_shown(source, value):
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        frame = source.read(0.1)
        if frame is not None and frame.pixels[0, 0, 0] == value:
            return frame
    raise AssertionError(source.status())


def in_order(found):
    """Return the list without repeats."""
    return [value for place, value in enumerate(found) if place == 0 or found[place - 1] != value]


def test_natural_order():
    names = ["10.png", "9.png", "A2.png", "a10.png", "a1.png", "b.png", "1 b.png", "01.png"]
    assert sorted(names, key=natural_key) == [
        "1 b.png",
        "01.png",
        "9.png",
        "10.png",
        "a1.png",
        "A2.png",
        "a10.png",
        "b.png",
    ]
    assert natural_key("a") != natural_key("A"), "two files stay two"


def test_numbered_folder_plays_in_order(tmp_path):
    for number in range(12):
        write(tmp_path, f"frame-{number}.png", 10 + number)
    source = opened(f"file:{tmp_path}?loop=0")
    assert values(source, 100) == [10 + number for number in range(12)]
    status = source.status()
    assert (status["source"], status["files"], status["pictures"], status["ended"]) == ("file", 12, 12, True)
    assert status["declared_fps"] == 25
    assert source.read(0) is None


def test_loop_is_counted(tmp_path):
    for number in range(3):
        write(tmp_path, f"{number}.png", 10 + number)
    source = opened(f"folder:{tmp_path}?fps=60")
    found = values(source, 10)
    assert set(found) == {10, 11, 12}
    assert source.status()["rounds"] >= 2
    assert source.status()["source"] == "folder"


def test_sequence_takes_matching_names(tmp_path):
    for name, value in (("f_0001.png", 1), ("f_0002.png", 2), ("f_10000.png", 3), ("f_3.png", 99), ("g_0001.png", 99),
                        ("f_0001.jpg", 99), ("f_00x1.png", 99)):  # fmt: skip
        write(tmp_path, name, value)
    assert values(opened(f"file:{tmp_path}/f_%04d.png?loop=0"), 10) == [1, 2, 3]
    assert is_pattern(tmp_path / "f_%d.png")
    (tmp_path / "odd_%d.png").write_bytes(encode_still(np.zeros((4, 4, 3), np.uint8), ".png"))
    assert not is_pattern(tmp_path / "odd_%d.png"), "a file of that name is a picture"


def test_sizes_may_differ(tmp_path):
    write(tmp_path, "1.png", 1, (40, 30))
    write(tmp_path, "2.png", 2, (20, 64))
    source = opened(f"folder:{tmp_path}")
    assert until_shown(source, 1).pixels.shape == (30, 40, 3)
    assert until_shown(source, 2).pixels.shape == (64, 20, 3)


def test_slides_are_repeated(tmp_path):
    """Show a photograph for seconds, and give it again meanwhile, so that the source is not silent."""
    write(tmp_path, "Beach.png", 1)
    write(tmp_path, "alps.png", 2)
    source = opened(f"folder:{tmp_path}")
    assert values(source, 20) == [2] * 20
    assert source.status()["declared_fps"] is None
    faster = opened(f"folder:{tmp_path}?fps=5")
    found = values(faster, 30)
    assert in_order(found)[:3] == [2, 1, 2]
    assert max(found.count(1), found.count(2)) > 5


def test_pictures_come_and_go(tmp_path, monkeypatch):
    monkeypatch.setattr(picture_list, "_SETTLED_SECONDS", 0.0)
    for number in (1, 3):
        write(tmp_path, f"{number}.png", number)
    source = opened(f"folder:{tmp_path}?fps=20")
    until_shown(source, 1)
    write(tmp_path, "2.png", 2)
    until_shown(source, 2)
    (tmp_path / "1.png").unlink()
    until_shown(source, 3)
    found = values(source, 12)
    assert 1 not in found
    assert {2, 3} <= set(found)
    assert source.status()["files"] == 2
    for number in (2, 3):
        (tmp_path / f"{number}.png").unlink()
    assert values(source, 5), "the last picture stays"
    write(tmp_path, "7.png", 7)
    until_shown(source, 7)


def test_empty_folder_waits(tmp_path, monkeypatch):
    monkeypatch.setattr(picture_list, "_SETTLED_SECONDS", 0.0)
    source = opened(f"folder:{tmp_path}")
    assert source.read(0.1) is None
    write(tmp_path, "a.png", 5)
    assert until_shown(source, 5).index == 0


def test_growing_file_is_awaited(tmp_path):
    write(tmp_path, "1.png", 1)
    pictures = PictureList(tmp_path)
    write(tmp_path, "2.png", 2)
    pictures.refresh()
    assert len(pictures) == 1, "it may still be copied"
    old = time.time() - 5
    os.utime(tmp_path / "2.png", (old, old))
    pictures.refresh()
    assert len(pictures) == 2


def test_broken_pictures_are_skipped(tmp_path):
    good = encode_still(np.full((30, 40, 3), 9, np.uint8), ".png")
    (tmp_path / "0.png").write_bytes(b"")
    (tmp_path / "1.png").write_bytes(b"not a picture")
    (tmp_path / "2.png").write_bytes(good)
    (tmp_path / "3.jpg").write_bytes(b"\xff\xd8\xff" + bytes(50))
    (tmp_path / "4.png").mkdir()
    source = opened(f"folder:{tmp_path}?fps=50")
    assert set(values(source, 12)) == {9}
    assert source.status()["corrupt"] == 4, "each is counted once"
    write(tmp_path, "1.png", 8)  # Replaced by a good one.
    until_shown(source, 8)


def test_only_broken_pictures_give_none(tmp_path):
    (tmp_path / "0.png").write_bytes(b"not a picture")
    (tmp_path / "1.png").write_bytes(b"not a picture")
    source = opened(f"folder:{tmp_path}?fps=50")
    for _ in range(5):
        assert source.read(0.05) is None
    assert source.status()["corrupt"] == 2


def test_other_files_are_left_out(tmp_path):
    write(tmp_path, "a.png", 1)
    (tmp_path / ".b.png.part").write_bytes(b"x")
    (tmp_path / "._a.png").write_bytes(b"x")
    (tmp_path / "notes.txt").write_bytes(b"x")
    write(tmp_path / "sub", "c.png", 2)
    assert len(PictureList(tmp_path)) == 1


def test_slow_reading_skips_pictures(tmp_path, monkeypatch):
    for number in range(200):
        write(tmp_path, f"{number}.png", number)
    player = PicturePlayer(tmp_path, 25.0, True, ((0, 0, 0), "straight"))
    ticks = iter([0, 1, 5, 6, 500, 501])
    monkeypatch.setattr(player._ticker, "wait", lambda timeout: next(ticks))
    shown = [int(player.read(1.0)[0, 0, 0]) for _ in range(6)]
    assert shown == [0, 1, 5, 6, 7, 8], "a long stall moves the clock instead"
    assert player.dropped == 3


def test_folder_that_disappears_is_an_error(tmp_path):
    write(tmp_path / "stick", "a.png", 1)
    source = opened(f"folder:{tmp_path / 'stick'}?fps=50")
    until_shown(source, 1)
    (tmp_path / "stick" / "a.png").unlink()
    (tmp_path / "stick").rmdir()
    with pytest.raises(BridgeError, match="Cannot read the folder"):
        values(source, 10)


@pytest.mark.parametrize(
    ("uri", "message"),
    [
        ("file:{0}/empty", "has no pictures"),
        ("file:{0}/f-%03d.png", "has no pictures"),
        ("folder:{0}/missing", "does not exist"),
        ("folder:{0}/file", "is not a folder"),
        ("folder:{0}/missing/f-%03d.png", "Cannot read the folder"),
    ],
)
def test_missing_pictures_are_explained(tmp_path, uri, message):
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(BridgeError, match=message):
        opened(uri.format(tmp_path))


def test_large_pictures_are_skipped(tmp_path):
    write(tmp_path, "1.png", 1)
    write_still(tmp_path / "2.png", np.zeros((1, LONGEST_SIDE + 1, 3), np.uint8))
    source = opened(f"folder:{tmp_path}?fps=50")
    assert set(values(source, 8)) == {1}
    assert source.status()["corrupt"] == 1
