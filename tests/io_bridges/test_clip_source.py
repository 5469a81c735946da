"""``file:`` source: the clip's own rate, looping, dropping late frames, still images."""

import time

import numpy as np
import pytest

from io_bridges.card import draw_card
from io_bridges.clip import ClipWriter
from io_bridges.clip_source import ClipSource
from io_bridges.image_files import write_still
from presets.errors import BridgeError

pytest.importorskip("av", reason="clips need PyAV: pip install 'streamflow-live[video]'")


@pytest.fixture
def clip(tmp_path):
    """Write eight lossless frames at 40 Hz, a fifth of a second."""
    path = tmp_path / "cards.mkv"
    with ClipWriter(path, 64, 48, 40) as writer:
        for index in range(8):
            writer.write(draw_card(index, 64, 48))
    return path


def number(frame):
    """Return the number of the frame, 0 to 7."""
    return next(index for index in range(8) if np.array_equal(frame.pixels, draw_card(index, 64, 48)))


def read(source, count):
    frames = []
    while len(frames) < count:
        frame = source.read(10.0)
        assert frame is not None
        frames.append(frame)
    return frames


def test_plays_in_order_loops_and_reopens(clip):
    source = ClipSource(str(clip), fps=20)  # Slow, so that a busy machine drops nothing.
    for _ in range(2):
        source.open()
        frames = read(source, 10)
        assert [frame.index for frame in frames] == list(range(10))
        if source.status()["dropped"] == 0:
            assert [number(frame) for frame in frames] == [0, 1, 2, 3, 4, 5, 6, 7, 0, 1]
            assert source.status()["rounds"] == 1
        source.close()
        source.close()


def test_frames_wait_until_due(clip):
    source = ClipSource(str(clip))
    source.open()
    opened_at = time.monotonic()
    for frame in read(source, 16):
        played = frame.index  # At least this many periods of 1/40 s.
        assert (frame.captured_at / 1e9) - opened_at >= played / 40 - 0.02
    source.close()


def test_late_reader_gets_current_frame(clip):
    source = ClipSource(str(clip), loop=True, fps=20)
    source.open()
    started = time.monotonic()
    assert number(read(source, 1)[0]) == 0
    time.sleep(0.26)
    frame = read(source, 1)[0]
    periods = (time.monotonic() - started) * 20
    assert source.status()["dropped"] >= 3
    assert frame.index == 1
    assert 5 <= source.status()["dropped"] + 1 <= periods + 1
    source.close()


def test_resumes_after_long_stall(clip):
    source = ClipSource(str(clip), fps=200)
    source.open()
    read(source, 1)
    time.sleep(0.8)  # 160 frames.
    before = source.status()["dropped"]
    assert read(source, 1)[0].index == 1
    assert source.status()["dropped"] - before <= 30
    read(source, 4)
    assert source.status()["dropped"] - before < 90  # Racing would drop 150.
    source.close()


def test_ends_without_loop(clip):
    source = ClipSource(str(clip), loop=False)
    source.open()
    seen = []
    while not source.status()["ended"]:
        frame = source.read(5.0)
        assert frame is not None
        seen.append(number(frame))
    assert seen[-1] == 7
    assert seen == sorted(set(seen))
    assert source.read(0.01) is None
    source.close()


def test_still_repeats_without_copy(tmp_path):
    card = draw_card(3, 64, 48)
    write_still(tmp_path / "card.png", card)
    source = ClipSource(str(tmp_path / "card.png"), fps=100)
    source.open()
    first, second, third = read(source, 3)
    assert np.array_equal(first.pixels, card)
    assert first.pixels is third.pixels
    assert [first.index, second.index, third.index] == [0, 1, 2]
    assert source.status()["declared_fps"] is None, "a still picture has no rate"
    source.close()
    once = ClipSource(str(tmp_path / "card.png"), loop=False)
    once.open()
    assert once.read(1.0) is not None
    assert once.read(0.01) is None
    assert once.status()["ended"] is True
    once.close()


@pytest.mark.parametrize("name", ["gone.mp4", "gone.png", "broken.mp4", "broken.jpg"])
def test_undecodable_file_is_named(tmp_path, name):
    if name.startswith("broken"):
        (tmp_path / name).write_bytes(bytes(range(256)) * 40)
    source = ClipSource(str(tmp_path / name))
    for _ in range(2):
        with pytest.raises(BridgeError, match=name):
            source.open()
    source.close()
    with pytest.raises(BridgeError, match="before it was open"):
        source.read(0.0)


def test_deleted_clip_is_an_error(clip):
    source = ClipSource(str(clip), fps=200)
    source.open()
    clip.unlink()
    with pytest.raises(BridgeError, match=clip.name):
        read(source, 200)
    source.close()
