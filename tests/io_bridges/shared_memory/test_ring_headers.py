"""Headers of hostile programs, segments that are too short, and memory that is short."""

import itertools
import os
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from picture_without_symmetry import picture, rendered, tick
from ring_rig import HEIGHT, WIDTH, header_of

from io_bridges.shared_memory import ring_layout, segment
from io_bridges.shared_memory.ring_layout import RingGeometry, SharedMemoryRefused
from io_bridges.shared_memory.ring_reader import RingReader
from io_bridges.shared_memory.ring_writer import RingWriter
from io_bridges.shared_memory.sink import SharedMemorySink
from io_bridges.shared_memory.source import LookPacer
from presets.errors import BridgeUnavailable

_numbers = itertools.count()
SLOT = ring_layout.HEADER_WORDS


def test_unfinished_header_is_awaited(name, source, sink):
    """A writer makes its segment first, and the header then."""
    sink.write(rendered(picture(WIDTH, HEIGHT)), tick())
    _, words = header_of(name)
    magic, words[0] = int(words[0]), 0
    assert source.read(0.3) is None
    words[0] = magic
    sink.write(rendered(picture(WIDTH, HEIGHT)), tick())
    assert source.read(5.0) is not None


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({0: 12345}, "holds no pictures"),
        ({1: 2}, "version 2"),
        ({2: 2}, "2 slots"),
        ({2: 10**9}, "slots"),
        ({2: 64}, "bytes"),
        ({3: 0}, "bytes"),
        ({3: 2**62}, "header places"),
        ({4: 0}, "header places"),
        ({4: -4096}, "header places"),
        ({4: 2**62}, "header places"),
        ({ring_layout.WRITTEN: -1}, "header places"),
        ({SLOT + ring_layout.WIDTH: 0}, "0x18"),
        ({SLOT + ring_layout.WIDTH: 8193}, "8193x18"),
        ({SLOT + ring_layout.HEIGHT: -1}, "33x-1"),
        ({SLOT + ring_layout.WIDTH: 8192, SLOT + ring_layout.HEIGHT: 8192}, "bytes a row"),
        ({SLOT + ring_layout.STRIDE: 98}, "98 bytes a row"),
        ({SLOT + ring_layout.STRIDE: 2**62}, "bytes a row"),
        ({SLOT + ring_layout.STRIDE: -99}, "bytes a row"),
        ({SLOT + ring_layout.FORMAT: 0}, "pixel format 0"),
        ({SLOT + ring_layout.FORMAT: 6}, "pixel format 6"),
        ({SLOT + ring_layout.ORIGIN: 2}, "origin 2"),
    ],
)
def test_lying_header_is_refused(name, source, sink, changes, message):
    sink.write(rendered(picture(WIDTH, HEIGHT)), tick())
    _, words = header_of(name)
    for word, value in changes.items():
        words[word] = value
    with pytest.raises(SharedMemoryRefused, match=message):
        source.read(1.0)
    source.close()
    source.open()  # The stage opens it again.
    with pytest.raises(SharedMemoryRefused, match=message):
        source.read(1.0)


def test_short_segment_is_refused(name, source):
    held = segment.create(name, 64)
    held.buffer[:1] = b"x"
    with pytest.raises(SharedMemoryRefused, match="64 bytes"):
        source.read(1.0)
    held.close()


def test_foreign_data_is_not_overwritten(name):
    held = segment.create(name, 4096)
    held.buffer[:5] = b"mine!"
    with pytest.raises(BridgeUnavailable, match="data of another program"):
        SharedMemorySink(name).open(8, 8, 30.0)
    assert bytes(held.buffer[:5]) == b"mine!"


@settings(max_examples=200)
@given(st.lists(st.tuples(st.integers(0, 31), st.integers(-(2**63), 2**63 - 1)), min_size=1, max_size=6))
def test_no_header_crashes_the_reader(changes):
    name = f"f{os.getpid()}.{next(_numbers)}"
    writer = RingWriter(name, WIDTH, HEIGHT)
    try:
        writer.write(picture(WIDTH, HEIGHT), 0, 0)
        _, words = header_of(name)
        for word, value in changes:
            words[word] = value
        found = segment.attach(name)
        try:
            reader = RingReader(found)
        except SharedMemoryRefused:
            return
        try:
            got = reader.read()
            assert got is None or got.pixels.ndim == 3
            assert reader.is_over() in (True, False)
        except SharedMemoryRefused:
            pass
    finally:
        segment.remove(name)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux reserves the memory ahead")
def test_no_room_is_an_error(name, monkeypatch):
    def full(handle, offset, size):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", full)
    with pytest.raises(BridgeUnavailable, match="no room"):
        SharedMemorySink(name).open(WIDTH, HEIGHT, 30.0)


def test_geometry_holds_pictures():
    geometry = RingGeometry.for_pictures(1280, 720)
    assert geometry.slot_bytes >= 1280 * 720 * 3
    assert geometry.data_offset % 4096 == 0
    assert geometry.slot_header(geometry.slots) <= geometry.data_offset


def test_looks_are_timed_by_the_rate():
    pacer = LookPacer()
    second = 1_000_000_000
    pacer.arrived(10 * second, 1)
    pacer.arrived(10 * second + 16_000_000, 1)
    now = 10 * second + 16_000_000
    assert pacer.pause(now) == 12_000_000  # three quarters of the period
    assert pacer.pause(now + 12_000_000) == LookPacer.OFTEN_NS
    assert pacer.pause(now + 2 * second) == LookPacer.SELDOM_NS
    pacer.arrived(now + 16_000_000, 4)  # The rate has grown fourfold.
    assert pacer.pause(now + 16_000_000) == 3_000_000
    pacer.arrived(now + 16_000_000 + 400_000, 1)
    assert pacer.pause(now + 16_800_000) == 100_000  # a writer without pauses
    pacer.arrived(now + 3 * second, 1)
    assert pacer.pause(now + 3 * second) <= LookPacer.LONGEST_NS
