"""Pictures through the ring: real second processes, every layout, torn and overtaken pictures."""

import hashlib
import itertools
import threading
import time

import numpy as np
import pytest
from picture_without_symmetry import picture, rendered, tick
from ring_rig import HEIGHT, PATIENCE, WIDTH, header_of
from shm_peer import checked_picture, peer

from io_bridges.pixels import CHANNELS
from io_bridges.shared_memory import ring_layout, segment
from io_bridges.shared_memory.received_picture import own_rgb
from io_bridges.shared_memory.ring_layout import FORMAT_CODES
from io_bridges.shared_memory.ring_reader import RingReader
from io_bridges.uri import make_sink, make_source


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
