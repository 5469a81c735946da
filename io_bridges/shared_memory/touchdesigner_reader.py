"""`TouchDesignerReader`: reads the memory of a Shared Mem Out TOP. Untested against TouchDesigner.

The layout has no counter, so a picture is new if it differs from the last one. Where this program is the writer, its
own words tell.
"""

import time

import numpy as np

from io_bridges.frames import Pixels
from io_bridges.lazy_imports import opencv
from io_bridges.shared_memory import touchdesigner_layout as layout
from io_bridges.shared_memory.ownership import WriterRecord
from io_bridges.shared_memory.received_picture import ReceivedPicture, own_rgb
from io_bridges.shared_memory.ring_layout import SharedMemoryRefused, Words, words_at
from io_bridges.shared_memory.segment import MemoryFence, SharedSegment
from io_bridges.shared_memory.touchdesigner_lock import TouchDesignerLock
from io_bridges.shared_memory.touchdesigner_writer import has_extra_words

_LOOK_NS = 8_000_000
"""Shortest time between two comparisons. Each reads the whole picture."""
_LET_GO_NS = 1_000_000_000
"""Time without a change after which the memory is released. On Windows a sender can't start again while it is held."""
_ATTEMPTS = 4


class TouchDesignerReader:
    """The receiver of one segment."""

    def __init__(self, segment: SharedSegment, flip: bool = False, last: Pixels | None = None) -> None:
        """Check the header. `last` is the newest picture of an earlier reader, as it was in memory.

        Raises `SharedMemoryRefused`.
        """
        self._segment = segment
        self._flip = flip
        self._fence = MemoryFence()
        self.torn = 0
        self.last = last
        """The newest picture as it is in memory, for the next reader."""
        self._spare: Pixels | None = None
        self._looked_at = 0
        self._changed_at = time.monotonic_ns()
        if segment.size < layout.HEADER_BYTES:
            raise SharedMemoryRefused(
                f"The shared memory {segment.name!r} has {segment.size} bytes; a header has {layout.HEADER_BYTES}"
            )
        self._writer: WriterRecord | None = None
        self._extra: Words | None = None
        if has_extra_words(segment, self._describe().data_offset):
            self._writer = WriterRecord(segment.buffer, layout.CLAIM_OFFSET)
            self._extra = words_at(segment.buffer, layout.EXTRA_OFFSET, layout.EXTRA_WORDS)
            self._seen = self._writer.written - (1 if self._writer.is_writing else 0)
        self._lock = TouchDesignerLock(segment.name)

    def read(self) -> ReceivedPicture | None:
        """Return the newest picture if it is new, else None. Raises `SharedMemoryRefused`."""
        if self._writer is not None and self._extra is not None:
            return self._read_counted(self._writer, self._extra)
        now = time.monotonic_ns()
        if now - self._looked_at < _LOOK_NS:
            return None
        self._looked_at = now
        return self._read_compared(now)

    def is_over(self) -> bool:
        """Return True if the writer is gone, or has written nothing new for a second."""
        if self._writer is not None:
            return self._writer.is_over(self._segment.name)
        return time.monotonic_ns() - self._changed_at > _LET_GO_NS

    def writer_name(self) -> str:
        """Return the process of the writer, if this program is the writer."""
        return f"process {self._writer.pid}" if self._writer is not None else "another program"

    def close(self) -> None:
        """Unmap the memory."""
        self._writer = self._extra = None
        self._lock.close()
        self._segment.close()

    def _describe(self) -> layout.TouchPicture:
        header = bytes(self._segment.buffer[: layout.HEADER_BYTES])
        return layout.decode_header(self._segment.name, header, self._segment.size)

    def _shared(self, picture: layout.TouchPicture) -> Pixels:
        shape = (picture.height, picture.width, layout.CHANNELS)
        return np.ndarray(shape, np.uint8, self._segment.buffer, picture.data_offset)

    def _read_counted(self, writer: WriterRecord, extra: Words) -> ReceivedPicture | None:
        for _ in range(_ATTEMPTS):
            written = writer.written
            if written <= max(self._seen, 0) or not writer.is_same:
                return None
            sequence = int(extra[layout.SEQUENCE_WORD])
            self._fence.order()
            if not sequence & 1:
                picture = self._describe()
                pixels = own_rgb(self._shared(picture), picture.format, "bottom-left", self._flip)
                self._fence.order()
                if int(extra[layout.SEQUENCE_WORD]) == sequence and writer.is_same:
                    pictures, self._seen = max(1, written - max(self._seen, 0)), written
                    return ReceivedPicture(pixels, 0, pictures)
            self.torn += 1
        return None

    def _read_compared(self, now: int) -> ReceivedPicture | None:
        with self._lock.held() as taken:
            if not taken:
                return None
            picture = self._describe()
            shared = self._shared(picture)
            spare = self._spare
            if spare is None or spare.shape != shared.shape:
                spare = np.empty_like(shared)
            np.copyto(spare, shared)
            # Without a lock, a picture that is still the same after the copy was not being written.
            if not self._lock.exists and _differ(spare, shared):
                self.torn += 1
                return None
        if self.last is not None and self.last.shape == spare.shape and not _differ(self.last, spare):
            self._spare = spare
            return None
        self._changed_at = now
        self.last, self._spare = spare, self.last
        return ReceivedPicture(own_rgb(spare, picture.format, "bottom-left", self._flip), 0, 1)


def _differ(one: Pixels, other: Pixels) -> bool:
    cv2 = opencv()
    return bool(cv2.norm(one, other, cv2.NORM_INF))
