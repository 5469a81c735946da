"""A free name in shared memory, and a sink and a source of that name."""

import itertools
import os

import pytest
from ring_rig import HEIGHT, WIDTH

from io_bridges.shared_memory import segment
from io_bridges.shared_memory.sink import SharedMemorySink
from io_bridges.shared_memory.source import SharedMemorySource

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
