"""`TouchDesignerWriter`: writes pictures into the memory of a Shared Mem In TOP. Untested against TouchDesigner."""

import sys

import numpy as np

from io_bridges.frames import Pixels
from io_bridges.lazy_imports import opencv
from io_bridges.shared_memory import touchdesigner_layout as layout
from io_bridges.shared_memory.ownership import WriterClaim, refuse_living_writer
from io_bridges.shared_memory.ring_layout import Words, words_at
from io_bridges.shared_memory.segment import MemoryFence, SharedSegment, attach, create, remove
from io_bridges.shared_memory.touchdesigner_lock import TouchDesignerLock
from presets.errors import BridgeUnavailable

_INFO_MAGIC = 0x56ED34BA
_INFO_VERSION = 2


class TouchDesignerWriter:
    """The sender of a segment, for RGB pictures of one size. They are written as RGBA, opaque, bottom row first."""

    def __init__(self, name: str, width: int, height: int, flip: bool = False) -> None:
        """Make the segment, or take over that of a writer that is gone. Raises `BridgeUnavailable`."""
        self._name = layout.PREFIX + name
        self._picture = layout.TouchPicture(width, height, "rgba", layout.DATA_OFFSET)
        self._flip = flip
        self._upside_down: Pixels = np.empty((height, width, 3), np.uint8)
        self._fence = MemoryFence()
        _refuse_taken(self._name)  # Before anything is made that a refusal would leave behind.
        self._lock = TouchDesignerLock(self._name)
        self._info = _make_info(self._name)
        self.blocked = 0
        self._open()

    @property
    def written(self) -> int:
        """Number of pictures written since the segment was made."""
        return self._claim.written

    def write(self, pixels: Pixels, index: int, captured_at: int) -> None:
        """Write one picture, RGB [height, width, 3]. It is dropped while the receiver holds the lock.

        `index` and `captured_at` have no place in this layout. Raises `BridgeError`.
        """
        if not self._claim.beat():
            self._drop_views()
            self._open()
        cv2 = opencv()
        rows = pixels if self._flip else cv2.flip(pixels, 0, dst=self._upside_down)
        with self._lock.held() as taken:
            if not taken:
                self.blocked += 1
                return
            sequence = int(self._extra[layout.SEQUENCE_WORD]) | 1
            self._extra[layout.SEQUENCE_WORD] = sequence
            self._fence.order()
            cv2.cvtColor(rows, cv2.COLOR_RGB2RGBA, dst=self._pixels)
            self._fence.order()
            self._extra[layout.SEQUENCE_WORD] = sequence + 1
            self._claim.count()

    def close(self) -> None:
        """Remove the segment if it is still this writer's."""
        if self._claim.release():
            remove(self._name)
        self._drop_views()
        self._lock.close()
        if self._info is not None:
            self._info.buffer[74] = 1  # detach: the receiver lets go.
            self._info.close()

    def _open(self) -> None:
        _refuse_taken(self._name)
        picture = self._picture
        self._segment = create(self._name, picture.data_offset + picture.data_size)
        buffer = self._segment.buffer
        shape = (picture.height, picture.width, layout.CHANNELS)
        self._pixels: Pixels = np.ndarray(shape, np.uint8, buffer, picture.data_offset)
        self._extra: Words = words_at(buffer, layout.EXTRA_OFFSET, layout.EXTRA_WORDS)
        with self._lock.held():
            buffer[:4] = bytes(4)
            self._extra[layout.SEQUENCE_WORD] = int(self._extra[layout.SEQUENCE_WORD]) & 2**32 - 1 | 1
            self._fence.order()
            self._claim = WriterClaim(self._segment, layout.CLAIM_OFFSET)
            self._extra[0] = layout.EXTRA_MAGIC
            header = picture.header()
            buffer[4 : len(header)] = header[4:]
            self._fence.order()
            buffer[:4] = header[:4]

    def _drop_views(self) -> None:
        del self._pixels, self._extra, self._claim
        self._segment.close()


def has_extra_words(segment: SharedSegment, data_offset: int) -> bool:
    """Return True if this program has written the segment."""
    if min(data_offset, segment.size) < layout.DATA_OFFSET:
        return False
    return int(words_at(segment.buffer, layout.EXTRA_OFFSET, 1)[0]) == layout.EXTRA_MAGIC


def _refuse_taken(name: str) -> None:
    """Raise `BridgeUnavailable` if the segment has a living writer, or holds something else."""
    found = attach(name)
    if found is None:
        return
    try:
        if has_extra_words(found, layout.DATA_OFFSET):
            refuse_living_writer(found, layout.CLAIM_OFFSET)
        elif any(found.buffer[: layout.HEADER_BYTES]):
            raise BridgeUnavailable(
                f"The shared memory {name!r} belongs to another program, such as a Shared Mem Out TOP. "
                "Choose another name"
            )
    finally:
        found.close()


def _make_info(name: str) -> SharedSegment | None:
    """Return the segment in which a receiver on Windows looks for a changed name: unchanged, not detached.

    Its name has the prefix twice, because TouchDesigner makes it as another segment of the already prefixed name.
    """
    if sys.platform != "win32":
        return None
    info = create(layout.PREFIX + name + layout.INFO_DECORATION, layout.INFO_BYTES)
    info.buffer[:8] = _INFO_MAGIC.to_bytes(4, "little") + _INFO_VERSION.to_bytes(4, "little")
    info.buffer[8 : layout.INFO_BYTES] = bytes(layout.INFO_BYTES - 8)
    return info
