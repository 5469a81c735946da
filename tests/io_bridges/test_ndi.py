"""NDI between two real processes on loopback: pictures, names, senders that come and go, receivers that are counted.

NDI compresses with loss, so that pictures are compared with a tolerance.
"""

import os
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("cyndilib")

from io_bridges.card import draw_card
from io_bridges.frames import RenderedFrame, Tick
from io_bridges.ndi.names import available, match_sender
from io_bridges.ndi.sink import NdiSink
from io_bridges.ndi.source import NdiSource
from presets.errors import BridgeError, BridgeUnavailable

pytestmark = pytest.mark.usefixtures("ndi_alone")

PATIENCE = 60.0
PEER = Path(__file__).with_name("ndi_peer.py")
LOSS = 6.0
"""Mean difference of a channel that the compression may cause. A card that is flipped differs by more than 30."""


def unique(name):
    """Return a name that no other run on this machine has."""
    return f"{name} {os.getpid()}"


@contextmanager
def peer(*arguments):
    process = subprocess.Popen([sys.executable, str(PEER), *map(str, arguments)], stdout=subprocess.PIPE)
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


@contextmanager
def sending(name, picture, folder):
    path = folder / "picture.npy"
    np.save(path, picture)
    with peer("send", name, path) as process:
        assert process.stdout.readline(), "the sender did not start"
        yield process


@contextmanager
def opened(bridge, *arguments):
    bridge.open(*arguments)
    try:
        yield bridge
    finally:
        bridge.close()


def with_alpha(pixels, alpha=255):
    return np.dstack([pixels, np.full(pixels.shape[:2], alpha, np.uint8)])


def read_until(source, found=lambda frame: True):
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        frame = source.read(0.25)
        if frame is not None and found(frame):
            return frame
    raise AssertionError(f"no such frame: {source.status()}")


def has_width(width):
    return lambda frame: frame.pixels.shape[1] == width


def difference(one, other):
    return float(np.abs(one.astype(int) - other.astype(int)).mean())


def rendered(pixels, index=1):
    return RenderedFrame(pixels, index, index, 0, 0)


def test_tolerance_tells_pictures_apart():
    card = draw_card(3, 322, 182)
    for wrong in (card[::-1], card[:, ::-1], card[:, :, ::-1], draw_card(33, 322, 182)[::-1, ::-1]):
        assert difference(card, wrong) > 3 * LOSS


def test_card_arrives_as_it_was_sent(tmp_path):
    card = draw_card(3, 322, 182)  # NDI pads lines of this width.
    with sending(unique("Card"), with_alpha(card), tmp_path), opened(NdiSource(unique("Card"))) as source:
        first = read_until(source)
        assert first.pixels.shape == (182, 322, 3)
        assert difference(first.pixels, card) < LOSS
        assert not first.pixels.flags.writeable
        second = read_until(source)
        assert (first.index, second.index) == (0, 1)
        assert first.captured_at < second.captured_at <= time.monotonic_ns()
        status = source.status()
        assert status["sender"].endswith(f"({unique('Card')})")
        assert (status["size"], status["pictures"], status["refused"]) == ("322x182", 2, 0)
        assert status["declared_fps"] == 30
        assert status["sender"] in status["heard"]


def test_alpha_is_dropped(tmp_path):
    card = draw_card(3, 160, 96)
    with sending(unique("Alpha"), with_alpha(card, 100), tmp_path), opened(NdiSource(unique("Alpha"))) as source:
        frame = read_until(source)
        assert frame.pixels.shape == (96, 160, 3)
        assert difference(frame.pixels, card) < LOSS


def test_absent_sender_gives_no_frames():
    with opened(NdiSource(unique("Nobody"))) as source:
        assert source.read(0.3) is None
        assert source.status()["sender"] == ""


def test_killed_sender_comes_back(tmp_path):
    name = unique("Encore")
    with opened(NdiSource(name)) as source:
        with sending(name, with_alpha(draw_card(1, 160, 96)), tmp_path) as process:
            read_until(source)
            process.kill()
        while source.read(0.25) is not None:
            pass
        other = draw_card(2, 226, 128)
        with sending(name, with_alpha(other), tmp_path):
            frame = read_until(source, has_width(226))
            assert difference(frame.pixels, other) < LOSS


def test_source_can_be_reopened(tmp_path):
    name = unique("Again")
    with sending(name, with_alpha(draw_card(1, 160, 96)), tmp_path):
        source = NdiSource(name)
        for _ in range(2):
            with opened(source):
                assert read_until(source).index == 0
        with pytest.raises(BridgeError, match="before it was open"):
            source.read(0)


@pytest.mark.parametrize("stream", ["Bühne 1 (links) 日本語 🎛", "a & b", "plain"])
def test_odd_names_are_found(tmp_path, stream):
    name = unique(stream)
    with sending(name, with_alpha(draw_card(1, 160, 96)), tmp_path):
        with opened(NdiSource(name)) as source:
            read_until(source)
            full = source.status()["sender"]
        with opened(NdiSource(full)) as source:
            read_until(source)
        assert f"ndi:{full}" in available()


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        ("DESK (A)", "DESK (A)"),
        ("A", "DESK (A)"),  # The first machine in the alphabet.
        ("STAGE (A)", "STAGE (A)"),
        ("stage (a)", "STAGE (A)"),
        ("B (two) & C", "STAGE (B (two) &amp; C)"),
        ("b (TWO) & c", "STAGE (B (two) &amp; C)"),
        ("a", "DESK (a)"),
        ("STAGE", None),
        ("", None),
    ],
)
def test_names_are_matched(wanted, found):
    names = ["STAGE (A)", "DESK (a)", "DESK (A)", "STAGE (B (two) &amp; C)"]
    assert match_sender(wanted, names) == found
    assert match_sender(wanted, []) is None


def frames_in(folder):
    return sorted(folder.glob("0*.npy"))


def write_until(sink, pixels, condition):
    deadline, tick = time.monotonic() + PATIENCE, 0
    while not condition():
        assert time.monotonic() < deadline, f"it did not happen: {sink.status()}"
        sink.write(rendered(pixels), Tick(tick, 0, repeated=tick > 0))
        tick += 1
        time.sleep(1 / 60)


def test_sink_is_received(tmp_path):
    name, card = unique("Out"), draw_card(5, 322, 182)
    with opened(NdiSink(name), 322, 182, 30.0) as sink, peer("receive", name, tmp_path):
        write_until(sink, card, lambda: len(frames_in(tmp_path)) >= 3)
        received = np.load(frames_in(tmp_path)[-1])
        assert received.shape == (182, 322, 4)
        assert difference(received[:, :, :3], card) < LOSS
        assert (received[:, :, 3] == 255).all()
        status = sink.status()
        assert status["name"].endswith(f"({name})")
        assert status["readers"] == 1
        assert status["pictures"] >= 3


def test_lost_receivers_are_counted_out(tmp_path):
    name, card = unique("Readers"), draw_card(5, 64, 64)
    with opened(NdiSink(name), 64, 64, 30.0) as sink:
        write_until(sink, card, lambda: sink.status()["pictures"] == 1)
        assert sink.status()["readers"] == 0
        with peer("receive", name, tmp_path):
            write_until(sink, card, lambda: sink.status()["readers"] == 1)
        write_until(sink, card, lambda: sink.status()["readers"] == 0)


def test_taken_name_is_refused():
    name = unique("Taken")
    with opened(NdiSink(name), 64, 64, 30.0):
        second = NdiSink(name)
        with pytest.raises(BridgeUnavailable, match="another sender on this machine"):
            second.open(64, 64, 30.0)
        second.close()
    with opened(NdiSink(name), 128, 64, 59.94) as sink:  # The name is free again, for any size.
        sink.write(rendered(draw_card(0, 128, 64)), Tick(0, 0, repeated=False))
        with pytest.raises(BridgeError, match="before it was open"):
            second.write(rendered(draw_card(0, 64, 64)), Tick(0, 0, repeated=False))


def test_other_process_has_the_name(tmp_path):
    name = unique("Elsewhere")
    with (
        sending(name, with_alpha(draw_card(1, 64, 64)), tmp_path),
        pytest.raises(BridgeUnavailable, match="another sender on this machine"),
    ):
        NdiSink(name).open(64, 64, 30.0)


def test_own_sink_feeds_own_source():
    name, card = unique("Loop"), draw_card(7, 160, 96)
    with opened(NdiSink(name), 160, 96, 30.0) as sink, opened(NdiSource(name)) as source:
        frames = []

        def arrived():
            frame = source.read(0)
            frames.extend([frame] if frame is not None else [])
            return frames

        write_until(sink, card, arrived)
        assert difference(frames[0].pixels, card) < LOSS
