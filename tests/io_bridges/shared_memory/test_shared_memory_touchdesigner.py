"""``shm:…?format=touchdesigner``: the documented bytes of a Shared Mem TOP. TouchDesigner itself is not in the test."""

import itertools
import os
import struct
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from picture_without_symmetry import picture, rendered, tick
from shm_peer import peer

from io_bridges.shared_memory import segment, touchdesigner_layout
from io_bridges.shared_memory.ring_layout import SharedMemoryRefused
from io_bridges.shared_memory.touchdesigner_reader import TouchDesignerReader
from io_bridges.uri import make_sink, make_source
from presets.errors import BridgeError, BridgeUnavailable, SettingsError

WIDTH, HEIGHT = 33, 18
PATIENCE = 20.0
OPTION = "?format=touchdesigner"
HEADER = "<IiiiffI4xqi"
"""The header as the documentation gives it: magic, version, size, aspect, pixel format, data size, data offset."""

_numbers = itertools.count()


@pytest.fixture
def name():
    chosen = f"d{os.getpid()}.{next(_numbers)}"
    yield chosen
    segment.remove("TouchSHM" + chosen)


@pytest.fixture
def source(name):
    made = make_source(f"shm:{name}{OPTION}")
    made.open()
    yield made
    made.close()


@pytest.fixture
def sink(name):
    made = make_sink(f"shm:{name}{OPTION}")
    made.open(WIDTH, HEIGHT, 30.0)
    yield made
    made.close()


class TouchSender:
    """A sender that knows the documented header and nothing of this program, as TouchDesigner does."""

    def __init__(self, name, size=1 << 16):
        self.memory = segment.create("TouchSHM" + name, size)

    def send(self, rows, **changes):
        """Write rows [H, W, 4], bottom row first, and a header."""
        height, width = rows.shape[:2]
        fields = {
            "magic": 0xD95EF835,
            "version": 1,
            "width": width,
            "height": height,
            "aspect_x": float(width),
            "aspect_y": float(height),
            "pixel_format": 37,
            "data_size": rows.size,
            "data_offset": 48,
        } | changes
        offset = fields["data_offset"]
        if 0 <= offset <= self.memory.size - rows.size:
            self.memory.buffer[offset : offset + rows.size] = np.ascontiguousarray(rows).tobytes()
        self.memory.buffer[:44] = struct.pack(HEADER, *fields.values())


def rgba(rgb):
    """Return RGBA with an alpha of its own for every pixel, bottom row first."""
    alpha = np.arange(rgb.shape[0] * rgb.shape[1], dtype=np.uint8).reshape(*rgb.shape[:2], 1)
    return np.concatenate([rgb, alpha], axis=2)[::-1]


def test_sink_writes_documented_bytes(name, sink):
    pixels = picture(WIDTH, HEIGHT)
    sink.write(rendered(pixels), tick())
    memory = segment.attach("TouchSHM" + name)
    magic, version, width, height, aspect_x, aspect_y, pixel_format, data_size, offset = struct.unpack(
        HEADER, bytes(memory.buffer[:44])
    )
    assert (magic, version, width, height) == (0xD95EF835, 1, WIDTH, HEIGHT)
    assert (aspect_x, aspect_y) == (WIDTH, HEIGHT)
    assert (pixel_format, data_size) == (37, WIDTH * HEIGHT * 4)
    rows = np.frombuffer(memory.buffer, np.uint8, data_size, offset).reshape(HEIGHT, WIDTH, 4)
    assert np.array_equal(rows[::-1, :, :3], pixels)
    assert (rows[:, :, 3] == 255).all()


@pytest.mark.parametrize(
    ("pixel_format", "order"), [(37, (0, 1, 2)), (43, (0, 1, 2)), (44, (2, 1, 0)), (50, (2, 1, 0))]
)
@pytest.mark.parametrize(("version", "offset"), [(1, 48), (2, 56), (1, 4096)])
def test_source_reads_documented_bytes(name, source, pixel_format, order, version, offset):
    pixels = picture(WIDTH, HEIGHT)
    rows = rgba(pixels)
    rows = np.concatenate([rows[:, :, order], rows[:, :, 3:]], axis=2)
    TouchSender(name).send(rows, pixel_format=pixel_format, version=version, data_offset=offset)
    assert np.array_equal(source.read(PATIENCE).pixels, pixels)


def test_pictures_between_processes(name, source):
    with peer() as other:
        uri = f"shm:{name}{OPTION}"
        other.ask(do="open", uri=uri, width=WIDTH, height=HEIGHT)
        for seed in (3, 3, 4):  # the same picture again is a picture, as everywhere
            other.ask(do="write", uri=uri, width=WIDTH, height=HEIGHT, seed=seed)
            assert np.array_equal(source.read(PATIENCE).pixels, picture(WIDTH, HEIGHT, seed))
        assert source.status()["writer"] == f"process {other.process.pid}"
        with pytest.raises(BridgeUnavailable, match=f"process {other.process.pid}"):
            make_sink(uri).open(8, 8, 30.0)
        other.process.kill()
        other.process.wait()
    second = make_sink(uri)
    second.open(90, 70, 30.0)
    second.write(rendered(picture(90, 70, 5)), tick())
    frame = source.read(PATIENCE)
    while frame is None or frame.pixels.shape != (70, 90, 3):
        frame = source.read(PATIENCE)
    assert np.array_equal(frame.pixels, picture(90, 70, 5))
    second.close()


def test_only_changes_of_a_foreign_sender_count(name, source):
    sender = TouchSender(name)
    sender.send(rgba(picture(WIDTH, HEIGHT)))
    assert source.read(PATIENCE) is not None
    assert source.read(0.1) is None
    sender.send(rgba(picture(WIDTH, HEIGHT, 1)))
    assert np.array_equal(source.read(PATIENCE).pixels, picture(WIDTH, HEIGHT, 1))
    sender.send(rgba(picture(20, 10)))  # another size in the same memory
    assert source.read(PATIENCE).pixels.shape == (10, 20, 3)
    assert source.status()["writer"] == "another program"


def test_silent_sender_is_let_go(name, source, monkeypatch):
    sender = TouchSender(name)
    sender.send(rgba(picture(WIDTH, HEIGHT)))
    assert source.read(PATIENCE) is not None
    held = source._reader
    held._changed_at -= 10_000_000_000
    assert source.read(0.6) is None, "the picture that was read already is no news to the next reader"
    assert source._reader is not held
    sender.send(rgba(picture(WIDTH, HEIGHT, 2)))
    assert np.array_equal(source.read(PATIENCE).pixels, picture(WIDTH, HEIGHT, 2))


def test_copy_of_a_changing_picture_is_torn(name, monkeypatch):
    sender = TouchSender(name)
    sender.send(rgba(picture(WIDTH, HEIGHT)))
    reader = TouchDesignerReader(segment.attach("TouchSHM" + name))
    real = np.copyto
    monkeypatch.setattr(np, "copyto", lambda to, of: (real(to, of), sender.send(rgba(picture(WIDTH, HEIGHT, 1)))))
    assert reader.read() is None
    assert reader.torn == 1
    monkeypatch.undo()
    time.sleep(0.01)
    assert np.array_equal(reader.read().pixels, picture(WIDTH, HEIGHT, 1))
    reader.close()


def test_our_sequence_finds_torn_pictures(name, sink, monkeypatch):
    reader = TouchDesignerReader(segment.attach("TouchSHM" + name))
    sink.write(rendered(picture(WIDTH, HEIGHT)), tick())
    extra = np.frombuffer(segment.create("TouchSHM" + name, 1).buffer, "<i8", 7, 64)
    extra[touchdesigner_layout.SEQUENCE_WORD] |= 1
    assert reader.read() is None
    assert reader.torn > 0
    extra[touchdesigner_layout.SEQUENCE_WORD] += 1
    assert np.array_equal(reader.read().pixels, picture(WIDTH, HEIGHT))
    reader.close()


def test_flip_turns_upside_down(name, sink):
    source = make_source(f"shm:{name}{OPTION}&flip=1")
    source.open()
    sink.write(rendered(picture(WIDTH, HEIGHT)), tick())
    assert np.array_equal(source.read(PATIENCE).pixels, picture(WIDTH, HEIGHT)[::-1])
    source.close()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"magic": 7}, "layout of a Shared Mem TOP"),
        ({"version": 3}, "version 3"),
        ({"width": 0}, "0x18"),
        ({"width": -5}, "-5x18"),
        ({"height": 10_000}, "33x10000"),
        ({"width": 8192, "height": 8192}, "header places"),
        ({"pixel_format": 109}, "pixel format 109.*8-bit fixed"),
        ({"data_size": 100}, "100 bytes"),
        ({"data_size": -1}, "-1 bytes"),
        ({"data_offset": 0}, "at 0"),
        ({"data_offset": -1}, "at -1"),
        ({"data_offset": 1 << 16}, "at 65536"),
    ],
)
def test_lying_header_is_refused(name, source, changes, message):
    sender = TouchSender(name)
    sender.send(rgba(picture(WIDTH, HEIGHT)), **changes)
    with pytest.raises(SharedMemoryRefused, match=message):
        source.read(1.0)


def test_header_that_turns_bad_is_refused(name, source):
    sender = TouchSender(name)
    sender.send(rgba(picture(WIDTH, HEIGHT)))
    assert source.read(PATIENCE) is not None
    sender.send(rgba(picture(WIDTH, HEIGHT)), data_offset=1 << 30)
    with pytest.raises(SharedMemoryRefused, match="header places"):
        source.read(1.0)


@settings(max_examples=200)
@given(st.binary(min_size=44, max_size=44), st.integers(0, 2**31))
def test_no_header_crashes_the_reader(header, position):
    name = f"g{os.getpid()}.{next(_numbers)}"
    sender = TouchSender(name, 8192)
    try:
        sender.send(rgba(picture(WIDTH, HEIGHT)))
        at = position % 44
        sender.memory.buffer[at:44] = header[at:]
        try:
            reader = TouchDesignerReader(segment.attach("TouchSHM" + name))
            assert reader.read() is None or reader.last is not None
        except SharedMemoryRefused:
            pass
    finally:
        segment.remove("TouchSHM" + name)


def test_memory_of_a_sender_is_not_overwritten(name):
    TouchSender(name).send(rgba(picture(WIDTH, HEIGHT)))
    with pytest.raises(BridgeUnavailable, match="Shared Mem Out TOP"):
        make_sink(f"shm:{name}{OPTION}").open(8, 8, 30.0)


def test_ring_and_touchdesigner_are_told_apart(name, sink):
    wrong = make_source(f"shm:TouchSHM{name}")
    wrong.open()
    with pytest.raises(BridgeError, match="format=touchdesigner"):
        wrong.read(1.0)
    wrong.close()


def test_name_is_short_enough_for_every_system():
    with pytest.raises(SettingsError, match="22 letters"):
        make_sink("shm:" + "x" * 23 + OPTION)
    with pytest.raises(SettingsError, match="ring or touchdesigner"):
        make_sink("shm:x?format=bmp")
