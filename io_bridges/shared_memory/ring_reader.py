"""`RingReader`: reads the newest picture of a ring in shared memory, never a torn one."""

import numpy as np

from io_bridges.frames import Pixels
from io_bridges.pixels import CHANNELS
from io_bridges.shared_memory import ring_layout
from io_bridges.shared_memory.ownership import WriterRecord
from io_bridges.shared_memory.received_picture import PictureCopy, ReceivedPicture, own_rgb
from io_bridges.shared_memory.ring_layout import (
    HEADER_WORDS,
    SLOT_WORDS,
    WORD,
    WRITER_ID,
    RingGeometry,
    SharedMemoryRefused,
    SlotPicture,
    words_at,
)
from io_bridges.shared_memory.segment import MemoryFence, SharedSegment

_ATTEMPTS = 4
"""Most copies of one read. A writer that overtakes every one of them is faster than this reader can copy."""


class RingReader:
    """The reader of one segment and one writer. It is replaced when the writer changes."""

    def __init__(self, segment: SharedSegment, flip: bool = False, copy: PictureCopy = own_rgb) -> None:
        """Check the header. `flip` turns the pictures upside down. Raises `SharedMemoryRefused`.

        `copy` may copy into memory of its own. It is called again if the writer overtakes it.
        """
        self._segment = segment
        self._flip = flip
        self._copy_pixels = copy
        self._fence = MemoryFence()
        if segment.size < HEADER_WORDS * WORD:
            raise SharedMemoryRefused(
                f"The shared memory {segment.name!r} has {segment.size} bytes; a header has {HEADER_WORDS * WORD}"
            )
        self.writer = WriterRecord(segment.buffer, WRITER_ID * WORD)
        self._fence.order()
        # A private copy: the places that were checked are the places that are read, whatever the writer changes.
        header = words_at(segment.buffer, 0, HEADER_WORDS).copy()
        self._geometry = RingGeometry.of_segment(segment.name, header, segment.size)
        self._slots = [
            words_at(segment.buffer, RingGeometry.slot_header(place), SLOT_WORDS)
            for place in range(self._geometry.slots)
        ]
        # The picture on air is news if its writer is there, and a leftover if it is not.
        self._seen = self.writer.written - (1 if self.writer.is_writing else 0)
        self.torn = 0

    def read(self) -> ReceivedPicture | None:
        """Return the newest picture if it is new, else None. Raises `SharedMemoryRefused`."""
        for _ in range(_ATTEMPTS):
            written = self.writer.written
            if written <= max(self._seen, 0) or not self.writer.is_same:
                return None
            picture = self._copy(written)
            if picture is not None:
                self._seen = written
                return picture
            self.torn += 1
        return None

    def is_over(self) -> bool:
        """Return True if the writer is gone, or another has taken its place."""
        return self.writer.is_over(self._segment.name)

    def writer_name(self) -> str:
        """Return the process of the writer."""
        return f"process {self.writer.pid}"

    def close(self) -> None:
        """Unmap the segment."""
        self._slots = []
        del self.writer
        self._segment.close()

    def _copy(self, written: int) -> ReceivedPicture | None:
        """Return a copy of a picture, or None if it was overwritten meanwhile."""
        place = (written - 1) % self._geometry.slots
        words = self._slots[place]
        slot = words.copy()
        self._fence.order()
        sequence = int(slot[ring_layout.SEQUENCE])
        if sequence & 1 or int(slot[ring_layout.NUMBER]) != written:
            return None
        about = SlotPicture.of_slot(self._segment.name, slot, self._geometry.slot_bytes)
        pixels = self._rgb(about, place)
        self._fence.order()
        if int(words[ring_layout.SEQUENCE]) != sequence or not self.writer.is_same:
            return None
        captured_at = int(slot[ring_layout.CAPTURED_AT]) or int(slot[ring_layout.WRITTEN_AT])
        return ReceivedPicture(pixels, captured_at, max(1, written - max(self._seen, 0)))

    def _rgb(self, about: SlotPicture, place: int) -> Pixels:
        channels = CHANNELS[about.format]
        shared: Pixels = np.ndarray(
            (about.height, about.width, channels),
            np.uint8,
            self._segment.buffer,
            self._geometry.pixels(place),
            (about.stride, channels, 1),
        )
        return self._copy_pixels(shared, about.format, about.origin, self._flip)
