"""Names, pictures and views of segments for the tests of the ring."""

import time

from io_bridges.shared_memory import segment
from io_bridges.shared_memory.ring_layout import words_at

WIDTH, HEIGHT = 33, 18  # no multiple of 4: a padded row would show
PATIENCE = 20.0


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
