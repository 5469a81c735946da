"""Writers of the ring: killed, stalled, closed, replaced, and two of one name."""

import os
import subprocess
import sys

import numpy as np
import pytest
from picture_without_symmetry import picture, rendered, tick
from ring_rig import HEIGHT, PATIENCE, WIDTH, header_of, wait_for
from shm_peer import peer

from io_bridges.shared_memory import ring_layout, segment
from io_bridges.shared_memory.sink import SharedMemorySink
from io_bridges.shared_memory.source import SharedMemorySource
from io_bridges.uri import refuse_duplicates
from presets.errors import BridgeError, BridgeUnavailable, SettingsError


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
        # A busy machine takes seconds to start it, and a writer that is silent for so long counts as gone.
        sink.write(rendered(picture(WIDTH, HEIGHT)), tick())
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
