"""Layout of the ring of pictures in shared memory, version 1.

All fields are little-endian 64-bit signed words. The segment starts with `HEADER_WORDS` words:

==== =============== ==================================================================================
word field           meaning
==== =============== ==================================================================================
0    magic           the bytes ``SFLIVE01``; 0 while a writer prepares the segment
1    version         1
2    slots           number of slots, 3 or more
3    slot_bytes      bytes for the pixels of one slot
4    data_offset     offset of the pixels of slot 0; those of slot i are at ``data_offset + i * slot_bytes``
8    writer_id       random number that each start of a writer changes
9    writer_pid      process of the writer
10   state           1 while the writer is there, 0 after it has closed
11   heartbeat       nanoseconds (monotonic) of the last write; a writer that is silent for 3 s counts as gone
12   written         number of pictures written; the newest is in slot ``(written - 1) % slots``
==== =============== ==================================================================================

`SLOT_WORDS` words for each slot follow:

==== =============== ==================================================================================
0    sequence        odd while the slot is being written, even otherwise; a write raises it by 2
1    number          value of ``written`` after this picture
2    index           number of the picture, -1 for a slate; a picture that is sent again keeps it
3    captured_at     nanoseconds (monotonic) when the source picture was captured; 0 if unknown
4    width           pixels
5    height          pixels
6    stride          bytes from one row to the next
7    format          1 RGB, 2 RGBA, 3 BGR, 4 BGRA, 5 gray; 8 bits for each channel
8    origin          0 if the first row is the top one, 1 if it is the bottom one
9    written_at      nanoseconds (monotonic) when the write began
==== =============== ==================================================================================

The other words are 0. A reader copies the slot, then reads ``sequence`` again: if it was odd or has changed, the copy
is thrown away. Writers never wait for readers.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from io_bridges.frames import LONGEST_SIDE
from io_bridges.pixels import CHANNELS, Format, Origin
from presets.errors import BridgeError

MAGIC = int.from_bytes(b"SFLIVE01", "little")
VERSION = 1
SLOTS = 4
MOST_SLOTS = 64
HEADER_WORDS = 16
SLOT_WORDS = 16
WORD = 8

WRITER_ID, WRITER_PID, STATE, HEARTBEAT, WRITTEN = range(8, 13)
SEQUENCE, NUMBER, INDEX, CAPTURED_AT, WIDTH, HEIGHT, STRIDE, FORMAT, ORIGIN, WRITTEN_AT = range(10)

FORMAT_CODES: dict[Format, int] = {"rgb": 1, "rgba": 2, "bgr": 3, "bgra": 4, "gray": 5}
_FORMATS: dict[int, Format] = {code: name for name, code in FORMAT_CODES.items()}
_ORIGINS: dict[int, Origin] = {0: "top-left", 1: "bottom-left"}

Words = NDArray[np.int64]


class SharedMemoryRefused(BridgeError):
    """Shared memory whose contents are not a picture in the expected layout."""


def words_at(buffer: memoryview, offset: int, count: int) -> Words:
    """Return a view of `count` words. Reading and setting an element is one access to memory."""
    return np.frombuffer(buffer, "<i8", count, offset)


@dataclass(frozen=True, slots=True)
class RingGeometry:
    """Places in a segment, checked against its size."""

    slots: int
    slot_bytes: int
    data_offset: int

    @property
    def size(self) -> int:
        """Bytes of the whole segment."""
        return self.data_offset + self.slots * self.slot_bytes

    @staticmethod
    def slot_header(slot: int) -> int:
        """Return the offset of a slot's words."""
        return (HEADER_WORDS + slot * SLOT_WORDS) * WORD

    def pixels(self, slot: int) -> int:
        """Return the offset of a slot's pixels."""
        return self.data_offset + slot * self.slot_bytes

    @classmethod
    def for_pictures(cls, width: int, height: int, channels: int = 3, slots: int = SLOTS) -> "RingGeometry":
        """Return the places for pictures of this size. Slots start at multiples of 4096 bytes."""
        return cls(slots, _round_up(width * height * channels), _round_up(cls.slot_header(slots)))

    @classmethod
    def of_segment(cls, name: str, header: Words, size: int) -> "RingGeometry":
        """Return the places that a header of `HEADER_WORDS` words names. Raises `SharedMemoryRefused`."""
        if int(header[0]) != MAGIC:
            raise SharedMemoryRefused(
                f"The shared memory {name!r} holds no pictures of this program. "
                "Check the name, and add ?format=touchdesigner for TouchDesigner's layout"
            )
        if int(header[1]) != VERSION:
            raise SharedMemoryRefused(
                f"The shared memory {name!r} has version {int(header[1])}; this program reads version {VERSION}"
            )
        geometry = cls(*(int(word) for word in header[2:5]))
        if not 3 <= geometry.slots <= MOST_SLOTS:
            raise SharedMemoryRefused(
                f"The shared memory {name!r} names {geometry.slots} slots; 3 to {MOST_SLOTS} are allowed"
            )
        if (
            geometry.slot_bytes < 1
            or geometry.data_offset < cls.slot_header(geometry.slots)
            or geometry.size > size
            or int(header[WRITTEN]) < 0
        ):
            raise SharedMemoryRefused(
                f"The shared memory {name!r} has {size} bytes, but its header places {geometry.slots} slots of "
                f"{geometry.slot_bytes} bytes at {geometry.data_offset}"
            )
        return geometry


@dataclass(frozen=True, slots=True)
class SlotPicture:
    """Description of the picture in a slot, checked against the slot's size."""

    width: int
    height: int
    stride: int
    format: Format
    origin: Origin

    @classmethod
    def of_slot(cls, name: str, slot: Words, slot_bytes: int) -> "SlotPicture":
        """Return the description in a slot's words. Raises `SharedMemoryRefused`."""
        width, height, stride = (int(slot[word]) for word in (WIDTH, HEIGHT, STRIDE))
        format_, origin = _FORMATS.get(int(slot[FORMAT])), _ORIGINS.get(int(slot[ORIGIN]))
        if not (1 <= width <= LONGEST_SIDE and 1 <= height <= LONGEST_SIDE):
            raise SharedMemoryRefused(
                f"The shared memory {name!r} names a picture of {width}x{height}; "
                f"each side must be 1 to {LONGEST_SIDE} pixels"
            )
        if format_ is None or origin is None:
            raise SharedMemoryRefused(
                f"The shared memory {name!r} names pixel format {int(slot[FORMAT])} and origin {int(slot[ORIGIN])}; "
                f"formats are 1 to {len(_FORMATS)}, origins 0 and 1"
            )
        row = width * CHANNELS[format_]
        if stride < row or (height - 1) * stride + row > slot_bytes:
            raise SharedMemoryRefused(
                f"The shared memory {name!r} names a picture of {width}x{height} {format_} with {stride} bytes a row; "
                f"a row has at least {row} bytes, a slot {slot_bytes}"
            )
        return cls(width, height, stride, format_, origin)


def _round_up(size: int, to: int = 4096) -> int:
    return -(-size // to) * to
