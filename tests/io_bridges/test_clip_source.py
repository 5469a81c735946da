"""``file:`` live: at the clip's own rate, in a loop, dropping what is late, stills too."""

import time

import numpy as np
import pytest

from io_bridges.card import draw_card
from io_bridges.clip import ClipWriter
from io_bridges.clip_source import ClipSource
from io_bridges.image_files import write_still
from presets.errors import BridgeError

pytest.importorskip("av", reason="clips want PyAV: pip install 'streamflow-live[video]'")


@pytest.fixture
def clip(tmp_path):
    """Eight pictures without loss at 40 Hz: a fifth of a second."""
    path = tmp_path / "cards.mkv"
    with ClipWriter(path, 64, 48, 40) as writer:
        for index in range(8):
            writer.write(draw_card(index, 64, 48))
    return path


def number(frame):
    """Which of the eight pictures it is."""
    return next(index for index in range(8) if np.array_equal(frame.pixels, draw_card(index, 64, 48)))


def read(source, count):
    frames = []
    while len(frames) < count:
        frame = source.read(10.0)
        assert frame is not None
        frames.append(frame)
    return frames


def test_it_plays_in_order_goes_round_and_opens_again(clip):
    source = ClipSource(str(clip), fps=10)  # slow, so that a busy machine drops nothing
    for _ in range(2):
        source.open()
        frames = read(source, 10)
        assert [frame.index for frame in frames] == list(range(10))
        if source.status()["dropped"] == 0:
            assert [number(frame) for frame in frames] == [0, 1, 2, 3, 4, 5, 6, 7, 0, 1]
        assert source.status()["rounds"] == 1
        source.close()
        source.close()


def test_pictures_are_not_given_before_they_are_due(clip):
    source = ClipSource(str(clip))
    source.open()
    opened_at = time.monotonic()
    for frame in read(source, 16):
        played = frame.index  # at least this many periods of 1/40 s
        assert (frame.captured_at / 1e9) - opened_at >= played / 40 - 0.02
    source.close()


def test_a_reader_that_was_away_gets_the_picture_of_now(clip):
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


def test_after_a_long_stall_it_goes_on_where_it_was(clip):
    source = ClipSource(str(clip), fps=200)
    source.open()
    read(source, 1)
    time.sleep(0.8)  # 160 pictures
    before = source.status()["dropped"]
    assert read(source, 1)[0].index == 1
    assert source.status()["dropped"] - before <= 30
    read(source, 4)
    assert source.status()["dropped"] - before < 90  # racing would drop 150
    source.close()


def test_without_loop_it_ends_and_says_so(clip):
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


def test_a_still_comes_again_and_again_without_being_copied(tmp_path):
    card = draw_card(3, 64, 48)
    write_still(tmp_path / "card.png", card)
    source = ClipSource(str(tmp_path / "card.png"), fps=100)
    source.open()
    first, second, third = read(source, 3)
    assert np.array_equal(first.pixels, card)
    assert first.pixels is third.pixels
    assert [first.index, second.index, third.index] == [0, 1, 2]
    source.close()
    once = ClipSource(str(tmp_path / "card.png"), loop=False)
    once.open()
    assert once.read(1.0) is not None
    assert once.read(0.01) is None
    assert once.status()["ended"] is True
    once.close()


@pytest.mark.parametrize("name", ["gone.mp4", "gone.png", "broken.mp4", "broken.jpg"])
def test_opening_what_cannot_be_decoded_is_an_error_with_its_path(tmp_path, name):
    if name.startswith("broken"):
        (tmp_path / name).write_bytes(bytes(range(256)) * 40)
    source = ClipSource(str(tmp_path / name))
    for _ in range(2):
        with pytest.raises(BridgeError, match=name):
            source.open()
    source.close()
    with pytest.raises(BridgeError, match="before it is open"):
        source.read(0.0)


def test_a_clip_that_is_taken_away_while_it_plays_is_an_error(clip):
    source = ClipSource(str(clip), fps=200)
    source.open()
    clip.unlink()
    with pytest.raises(BridgeError, match=clip.name):
        read(source, 200)
    source.close()
