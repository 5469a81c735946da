"""`RingWriter`: writes pictures into a ring in shared memory, whatever the readers do."""

import time

import numpy as np

from io_bridges.frames import Pixels
from io_bridges.shared_memory import ring_layout
from io_bridges.shared_memory.ownership import WriterClaim, refuse_living_writer
from io_bridges.shared_memory.ring_layout import (
    HEADER_WORDS,
    MAGIC,
    SLOT_WORDS,
    VERSION,
    WORD,
    WRITER_ID,
    RingGeometry,
    Words,
    words_at,
)
from io_bridges.shared_memory.segment import MemoryFence, SharedSegment, attach, create, remove
from presets.errors import BridgeUnavailable


class RingWriter:
    """The writer of a segment, for RGB pictures of one size."""

    def __init__(self, name: str, width: int, height: int) -> None:
        """Make the segment, or take over that of a writer that is gone. Raises `BridgeUnavailable`."""
        self._name = name
        self._shape = (height, width, 3)
        self._geometry = RingGeometry.for_pictures(width, height)
        self._fence = MemoryFence()
        self._open()

    @property
    def written(self) -> int:
        """Number of pictures written since the segment was made."""
        return self._claim.written

    def write(self, pixels: Pixels, index: int, captured_at: int) -> None:
        """Copy one picture, RGB [height, width, 3], into the oldest slot. Raises `BridgeError`."""
        if not self._claim.beat():  # A program has removed the name. Readers find the new segment by themselves.
            self._drop_views()
            self._open()
        number = self._claim.written + 1
        place = (number - 1) % self._geometry.slots
        slot = self._slots[place]
        sequence = int(slot[ring_layout.SEQUENCE]) | 1
        slot[ring_layout.SEQUENCE] = sequence
        self._fence.order()
        slot[ring_layout.WRITTEN_AT] = time.monotonic_ns()
        slot[ring_layout.NUMBER] = number
        slot[ring_layout.INDEX] = index
        slot[ring_layout.CAPTURED_AT] = captured_at
        np.copyto(self._pictures[place], pixels)
        self._fence.order()
        slot[ring_layout.SEQUENCE] = sequence + 1
        self._fence.order()
        self._claim.count()

    def close(self) -> None:
        """Tell the readers, and remove the segment if it is still this writer's."""
        if self._claim.release():
            remove(self._name)
        self._drop_views()

    def _open(self) -> None:
        _refuse_taken(self._name)
        self._segment = create(self._name, self._geometry.size)
        buffer = self._segment.buffer
        header = words_at(buffer, 0, HEADER_WORDS)
        header[0] = 0  # Readers let go while the places change.
        self._slots: list[Words] = []
        self._pictures: list[Pixels] = []
        for place in range(self._geometry.slots):
            slot = words_at(buffer, RingGeometry.slot_header(place), SLOT_WORDS)
            slot[ring_layout.SEQUENCE] = int(slot[ring_layout.SEQUENCE]) & 2**32 - 1 | 1
            self._slots.append(slot)
            self._pictures.append(np.ndarray(self._shape, np.uint8, buffer, self._geometry.pixels(place)))
        self._fence.order()
        height, width, channels = self._shape
        for slot in self._slots:
            slot[ring_layout.NUMBER :] = 0
            slot[ring_layout.WIDTH], slot[ring_layout.HEIGHT] = width, height
            slot[ring_layout.STRIDE] = width * channels
            slot[ring_layout.FORMAT] = ring_layout.FORMAT_CODES["rgb"]
        header[1:5] = VERSION, self._geometry.slots, self._geometry.slot_bytes, self._geometry.data_offset
        self._claim = WriterClaim(self._segment, WRITER_ID * WORD)
        self._fence.order()
        header[0] = MAGIC

    def _drop_views(self) -> None:
        self._slots, self._pictures = [], []
        del self._claim
        self._segment.close()


def _refuse_taken(name: str) -> None:
    """Raise `BridgeUnavailable` if the segment has a living writer, or holds something else."""
    found = attach(name)
    if found is None:
        return
    try:
        _refuse_foreign(found)
        refuse_living_writer(found, WRITER_ID * WORD)
    finally:
        found.close()


def _refuse_foreign(segment: SharedSegment) -> None:
    words = words_at(segment.buffer, 0, HEADER_WORDS) if segment.size >= HEADER_WORDS * WORD else None
    if words is None or int(words[0]) not in (0, MAGIC):
        raise BridgeUnavailable(
            f"The shared memory {segment.name!r} holds data of another program. Choose another name"
        )
