"""``shm:`` with a ring: real second processes, torn pictures, dead writers, lying headers."""

import hashlib
import itertools
import os
import subprocess
import sys
import threading
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from picture_without_symmetry import picture, rendered, tick
from shm_peer import checked_picture, peer

from io_bridges.pixels import CHANNELS
from io_bridges.shared_memory import ring_layout, segment
from io_bridges.shared_memory.received_picture import own_rgb
from io_bridges.shared_memory.ring_layout import FORMAT_CODES, RingGeometry, SharedMemoryRefused, words_at
from io_bridges.shared_memory.ring_reader import RingReader
from io_bridges.shared_memory.ring_writer import RingWriter
from io_bridges.shared_memory.sink import SharedMemorySink
from io_bridges.shared_memory.source import LookPacer, SharedMemorySource
from io_bridges.uri import make_sink, make_source, refuse_duplicates
from presets.errors import BridgeError, BridgeUnavailable, SettingsError

WIDTH, HEIGHT = 33, 18  # no multiple of 4: a padded row would show
PATIENCE = 20.0
_numbers = itertools.count()


@pytest.fixture
def name():
    chosen = f"t{os.getpid()}.{next(_numbers)}"
    yield chosen
    segment.remove(chosen)


@pytest.fixture
def sink(name):
    made = SharedMemorySink(name)
    made.open(WIDTH, HEIGHT, 30.0)
    yield made
    made.close()


@pytest.fixture
def source(name):
    made = SharedMemorySource(name)
    made.open()
    yield made
    made.close()


def header_of(name):
    """Return a writable view of the segment, as a hostile program has it."""
    found = segment.create(name, 1)
    return found, words_at(found.buffer, 0, found.size // 8)


def wait_for(source, accept):
    """Read until a frame is accepted."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        frame = source.read(0.1)
        if frame is not None and accept(frame):
            return frame
    raise AssertionError(f"no such frame: {source.status()}")


def test_other_process_reads_our_picture(name, sink):
    with peer() as other:
        other.begin(do="read", uri=f"shm:{name}")
        answer = None
        for index in range(2000):
            sink.write(rendered(picture(WIDTH, HEIGHT), index), tick(index))
            time.sleep(0.005)
            if index == 100:
                answer = other.finish()
                break
    assert answer is not None
    assert answer["shape"] == [HEIGHT, WIDTH, 3]
    assert bytes.fromhex(answer["pixels"]) == picture(WIDTH, HEIGHT).tobytes()


def test_we_read_picture_of_other_process(name, source):
    with peer() as other:
        assert other.ask(do="open", uri=f"shm:{name}", width=WIDTH, height=HEIGHT) == {}
        other.ask(do="write", uri=f"shm:{name}", width=WIDTH, height=HEIGHT, seed=5)
        frame = source.read(PATIENCE)
        assert np.array_equal(frame.pixels, picture(WIDTH, HEIGHT, 5))
        assert not frame.pixels.flags.writeable
        assert source.status()["writer"] == f"process {other.process.pid}"


def test_frames_outlive_their_slots(source, sink):
    sink.write(rendered(picture(WIDTH, HEIGHT, 1)), tick())
    frame = source.read(PATIENCE)
    for seed in range(2, 12):
        sink.write(rendered(picture(WIDTH, HEIGHT, seed)), tick())
    assert np.array_equal(frame.pixels, picture(WIDTH, HEIGHT, 1))


def test_newest_picture_wins(source, sink):
    sink.write(rendered(picture(WIDTH, HEIGHT)), tick())
    assert source.read(PATIENCE) is not None
    for seed in range(1, 9):
        sink.write(rendered(picture(WIDTH, HEIGHT, seed)), tick())
    assert np.array_equal(source.read(PATIENCE).pixels, picture(WIDTH, HEIGHT, 8))
    assert source.read(0.02) is None
    assert source.status()["dropped"] == 7
    assert source.status()["pictures"] == 2


def test_capture_time_travels(source, sink):
    captured_at = time.monotonic_ns() - 5_000_000
    sink.write(rendered(picture(WIDTH, HEIGHT), captured_at=captured_at), tick())
    assert source.read(PATIENCE).captured_at == captured_at


@pytest.mark.parametrize("stamp", [-5, 1, 2**62])
def test_false_capture_time_is_replaced(source, sink, stamp):
    before = time.monotonic_ns()
    sink.write(rendered(picture(WIDTH, HEIGHT), captured_at=stamp), tick())
    assert before <= source.read(PATIENCE).captured_at <= time.monotonic_ns()


@pytest.mark.parametrize("origin", [0, 1])
@pytest.mark.parametrize("padding", [0, 7])
@pytest.mark.parametrize("format_", sorted(FORMAT_CODES))
def test_layouts_of_other_writers(name, source, sink, format_, padding, origin):
    rgb = picture(WIDTH, HEIGHT)
    expected = rgb
    channels = CHANNELS[format_]
    if format_ == "gray":
        pixels = rgb[:, :, :1]
        expected = np.repeat(pixels, 3, axis=2)
    else:
        pixels = rgb[:, :, ::-1] if format_.startswith("bgr") else rgb
        alpha = np.arange(HEIGHT * WIDTH, dtype=np.uint8).reshape(HEIGHT, WIDTH, 1)
        pixels = np.concatenate([pixels, alpha], axis=2) if channels == 4 else pixels
    if origin:
        pixels = pixels[::-1]
    stride = WIDTH * channels + padding
    rows = np.full((HEIGHT, stride), 0xEE, np.uint8)
    rows[:, : WIDTH * channels] = pixels.reshape(HEIGHT, -1)
    sink.write(rendered(picture(WIDTH, HEIGHT)), tick())
    held, words = header_of(name)
    place = int(words[4])
    held.buffer[place : place + rows.size] = rows.tobytes()
    slot = ring_layout.HEADER_WORDS
    words[slot + ring_layout.STRIDE] = stride
    words[slot + ring_layout.FORMAT] = FORMAT_CODES[format_]
    words[slot + ring_layout.ORIGIN] = origin
    assert np.array_equal(source.read(PATIENCE).pixels, expected)


@pytest.mark.parametrize("flipped", ["source", "sink"])
def test_flip_turns_upside_down(name, flipped):
    sink = make_sink(f"shm:{name}" + ("?flip=1" if flipped == "sink" else ""))
    source = make_source(f"shm:{name}" + ("?flip=1" if flipped == "source" else ""))
    sink.open(WIDTH, HEIGHT, 30.0)
    source.open()
    sink.write(rendered(picture(WIDTH, HEIGHT)), tick())
    assert np.array_equal(source.read(PATIENCE).pixels, picture(WIDTH, HEIGHT)[::-1])
    source.close()
    sink.close()


def test_no_torn_picture_under_stress(name, sink):
    sink.close()
    sink.open(320, 180, 30.0)
    pictures = [checked_picture(320, 180, number) for number in range(64)]
    enough = threading.Event()

    def write():
        for number in itertools.count():
            if enough.is_set():
                return
            pixels = pictures[number % 64]
            pixels.reshape(-1)[:8] = np.frombuffer(number.to_bytes(8, "little"), np.uint8)
            sink.write(rendered(pixels), tick())
            if number % 6 == 0:  # A writer without any pause overtakes every copy.
                time.sleep(0.0003)

    writer = threading.Thread(target=write)
    with peer() as one, peer() as two:
        writer.start()
        try:
            for other in (one, two):
                other.begin(do="watch", uri=f"shm:{name}", pictures=300)
            answers = [one.finish(), two.finish()]
        finally:
            enough.set()
            writer.join()
    for answer in answers:
        assert answer["read"] == 300
        assert answer["torn"] == 0
        assert answer["backwards"] == 0


def test_checksum_finds_torn_pictures():
    flat = checked_picture(64, 32, 7).reshape(-1)
    assert flat[8:24].tobytes() == hashlib.md5(flat[24:].tobytes()).digest()
    flat[-1] ^= 1
    assert flat[8:24].tobytes() != hashlib.md5(flat[24:].tobytes()).digest()


def test_overtaken_copy_is_thrown_away(name, sink):
    sink.write(rendered(picture(WIDTH, HEIGHT, 1)), tick())
    overtaking = iter([True, True, False])

    def copy(*arguments):
        pixels = own_rgb(*arguments)
        if next(overtaking):  # The writer goes round the ring while the reader copies.
            for seed in range(2, 2 + ring_layout.SLOTS):
                sink.write(rendered(picture(WIDTH, HEIGHT, seed)), tick())
        return pixels

    reader = RingReader(segment.attach(name), copy=copy)
    got = reader.read()
    assert reader.torn == 2
    assert np.array_equal(got.pixels, picture(WIDTH, HEIGHT, 1 + ring_layout.SLOTS))
    reader.close()


def test_slot_in_the_making_is_not_read(name, sink):
    sink.write(rendered(picture(WIDTH, HEIGHT, 1)), tick())
    reader = RingReader(segment.attach(name))
    _, words = header_of(name)
    words[ring_layout.HEADER_WORDS + ring_layout.SEQUENCE] |= 1
    assert reader.read() is None
    assert reader.torn > 0
    reader.close()


def test_killed_writer_is_replaced(name, source):
    with peer() as first:
        first.ask(do="open", uri=f"shm:{name}", width=WIDTH, height=HEIGHT)
        first.ask(do="write", uri=f"shm:{name}", width=WIDTH, height=HEIGHT, seed=1)
        assert np.array_equal(source.read(PATIENCE).pixels, picture(WIDTH, HEIGHT, 1))
        first.process.kill()
        first.process.wait()
    assert source.read(0.3) is None
    assert segment.attach(name) is not None, "the dead writer's segment is left"
    for size, seed in (((WIDTH, HEIGHT), 2), ((90, 70), 3), ((8, 6), 4)):  # in place, too small, in place
        with peer() as other:
            other.ask(do="open", uri=f"shm:{name}", width=size[0], height=size[1])
            other.ask(do="write", uri=f"shm:{name}", width=size[0], height=size[1], seed=seed)
            frame = wait_for(source, lambda frame, size=size: frame.pixels.shape[:2] == size[::-1])
            assert np.array_equal(frame.pixels, picture(*size, seed))
            other.process.kill()
            other.process.wait()
    assert source.status()["writers"] >= 4


def test_writer_killed_while_it_writes(name, source, sink):
    sink.write(rendered(picture(WIDTH, HEIGHT, 1)), tick())
    assert source.read(PATIENCE) is not None
    _, words = header_of(name)
    slot = ring_layout.HEADER_WORDS + ring_layout.SLOT_WORDS  # the second slot is next
    words[slot + ring_layout.SEQUENCE] |= 1
    sink.write(rendered(picture(WIDTH, HEIGHT, 2)), tick())
    assert np.array_equal(source.read(PATIENCE).pixels, picture(WIDTH, HEIGHT, 2))


def test_leftover_picture_is_not_news(name, source):
    with peer() as other:
        other.ask(do="open", uri=f"shm:{name}", width=WIDTH, height=HEIGHT)
        other.ask(do="write", uri=f"shm:{name}", width=WIDTH, height=HEIGHT)
        other.process.kill()
        other.process.wait()
    _, words = header_of(name)
    words[ring_layout.HEARTBEAT] -= 10_000_000_000
    assert source.read(0.6) is None


def test_second_writer_is_refused(name, sink):
    with peer() as other:
        answer = other.ask(do="open", uri=f"shm:{name}", width=WIDTH, height=HEIGHT)
        assert answer["kind"] == "BridgeUnavailable"
        assert f"process {os.getpid()}" in answer["error"]
        assert "another name" in answer["error"]
    with pytest.raises(BridgeUnavailable, match="written by this show"):
        SharedMemorySink(name).open(WIDTH, HEIGHT, 30.0)
    with pytest.raises(SettingsError, match="are the same name"):
        refuse_duplicates("card:", [f"shm:{name}", f"shm:{name}?size=64x64"])


@pytest.mark.parametrize("size", [(WIDTH, HEIGHT), (200, 100)])
def test_stalled_writer_learns_of_its_successor(name, sink, size):
    sink.write(rendered(picture(WIDTH, HEIGHT)), tick())
    _, words = header_of(name)
    words[ring_layout.HEARTBEAT] -= 10_000_000_000  # as if it had been suspended
    successor = SharedMemorySink(name)
    successor.open(*size, 30.0)
    sink._writer._claim._checked_at -= 10_000_000_000
    with pytest.raises(BridgeError, match="Another program has taken"):
        sink.write(rendered(picture(WIDTH, HEIGHT)), tick())
    sink.close()
    successor.write(rendered(picture(*size)), tick())
    assert segment.attach(name) is not None, "the first one has removed its successor's segment"
    successor.close()


@pytest.mark.skipif(sys.platform == "win32", reason="Windows removes no name before its last user")
def test_writer_survives_removal_of_its_name(name, source, sink):
    sink.write(rendered(picture(WIDTH, HEIGHT, 1)), tick())
    assert source.read(PATIENCE) is not None
    segment.remove(name)
    sink._writer._claim._checked_at -= 10_000_000_000
    sink.write(rendered(picture(WIDTH, HEIGHT, 2)), tick())
    frame = wait_for(source, lambda frame: True)
    assert np.array_equal(frame.pixels, picture(WIDTH, HEIGHT, 2))


def test_reader_that_exits_leaves_the_segment(name, sink):
    sink.write(rendered(picture(WIDTH, HEIGHT)), tick())
    program = f"from io_bridges.uri import make_source; s = make_source('shm:{name}'); s.open(); assert s.read(9)"
    subprocess.run([sys.executable, "-c", program], check=True, timeout=PATIENCE, capture_output=True)
    assert segment.attach(name) is not None


def test_closed_writer_is_told(name, source, sink):
    assert source.read(0.0) is None
    sink.write(rendered(picture(WIDTH, HEIGHT)), tick())
    assert wait_for(source, lambda frame: True) is not None
    sink.close()
    assert segment.attach(name) is None
    assert source.read(0.6) is None
    assert source.status()["writer"] == "gone"
    sink.open(WIDTH, HEIGHT, 30.0)
    sink.write(rendered(picture(WIDTH, HEIGHT, 9)), tick())
    assert np.array_equal(wait_for(source, lambda frame: True).pixels, picture(WIDTH, HEIGHT, 9))


def test_source_waits_for_its_writer(source):
    assert source.read(0.05) is None
    assert source.status()["writer"] == "none"


def test_use_before_open_is_refused(name):
    with pytest.raises(BridgeError, match="before it was open"):
        SharedMemorySource(name).read(0.1)
    with pytest.raises(BridgeError, match="before it was open"):
        SharedMemorySink(name).write(rendered(picture(8, 8)), tick())


@pytest.mark.parametrize("bad", ["a/b", "..", "-x", "ä", "x" * 31, "a b", "a\0b"])
def test_name_is_checked(bad):
    with pytest.raises(SettingsError, match="can't be the name of shared memory"):
        SharedMemorySink(bad)


SLOT = ring_layout.HEADER_WORDS


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
