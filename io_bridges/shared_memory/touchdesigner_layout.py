"""Layout of TouchDesigner's Shared Mem TOPs: one 8-bit picture of four channels, bottom row first.

Written after the documentation ``Write a Shared Memory TOP`` and its header, version 1 (version 2 has fields behind
it). All fields are little-endian: magic (int32), version, width, height (int32), aspect x and y (float), pixel format
(uint32), 4 unused bytes, data size (int64), data offset (int32). The memory is named ``TouchSHM`` and the name that
the TOP has. This program has not been tried against TouchDesigner itself.

The layout counts no pictures and names no writer. The data offset is the sender's to choose, so this program puts
its own words between header and pixels: `EXTRA_MAGIC`, the five words of `io_bridges.shared_memory.ownership`, and a
sequence that is odd while the picture is being written.
"""

import struct
from dataclasses import dataclass
from typing import NamedTuple

from io_bridges.frames import LONGEST_SIDE
from io_bridges.pixels import Format
from io_bridges.shared_memory.ring_layout import SharedMemoryRefused

PREFIX = "TouchSHM"
LONGEST_TOUCH_NAME = 22
"""Most characters of a name, so that it fits with its prefix on every system."""

MAGIC = 0xD95EF835
VERSION = 1
RGBA8 = 37

_HEADER = struct.Struct("<IiiiffI4xqi")
HEADER_BYTES = _HEADER.size
_PIXEL_FORMATS: dict[int, Format] = {37: "rgba", 43: "rgba", 44: "bgra", 50: "bgra"}
"""8-bit fixed-point formats of four channels: linear, and with the sRGB curve."""

DATA_OFFSET = 128
EXTRA_OFFSET = 64
EXTRA_WORDS = 7
EXTRA_MAGIC = int.from_bytes(b"SFLTDX01", "little")
CLAIM_OFFSET = EXTRA_OFFSET + 8
SEQUENCE_WORD = 6
CHANNELS = 4

INFO_DECORATION = "4jhd783h"
INFO_BYTES = 80


@dataclass(frozen=True, slots=True)
class TouchPicture:
    """Description of the picture in a segment, checked against the segment's size."""

    width: int
    height: int
    format: Format
    data_offset: int

    @property
    def data_size(self) -> int:
        """Bytes of the pixels."""
        return self.width * self.height * CHANNELS

    def header(self) -> bytes:
        """Return the header's bytes."""
        return _HEADER.pack(
            MAGIC, VERSION, self.width, self.height, float(self.width), float(self.height), RGBA8,
            self.data_size, self.data_offset,
        )  # fmt: skip


class _Fields(NamedTuple):
    magic: int
    version: int
    width: int
    height: int
    aspect_x: float
    aspect_y: float
    pixel_format: int
    data_size: int
    data_offset: int


def decode_header(name: str, header: bytes, size: int) -> TouchPicture:
    """Return the picture that a header of `HEADER_BYTES` describes in a segment of `size` bytes.

    Raises `SharedMemoryRefused`.
    """
    fields = _Fields(*_HEADER.unpack(header))
    if fields.magic != MAGIC:
        raise SharedMemoryRefused(f"The shared memory {name!r} does not have the layout of a Shared Mem TOP")
    if fields.version not in (1, 2):
        raise SharedMemoryRefused(f"The shared memory {name!r} has version {fields.version}; 1 and 2 can be read")
    if not (1 <= fields.width <= LONGEST_SIDE and 1 <= fields.height <= LONGEST_SIDE):
        raise SharedMemoryRefused(
            f"The shared memory {name!r} names a picture of {fields.width}x{fields.height}; "
            f"each side must be 1 to {LONGEST_SIDE} pixels"
        )
    if fields.pixel_format not in _PIXEL_FORMATS:
        raise SharedMemoryRefused(
            f"The shared memory {name!r} has pixel format {fields.pixel_format}. "
            "Set the Pixel Format of the TOP to 8-bit fixed (RGBA)"
        )
    picture = TouchPicture(fields.width, fields.height, _PIXEL_FORMATS[fields.pixel_format], fields.data_offset)
    if not (HEADER_BYTES <= fields.data_offset <= size - picture.data_size and fields.data_size >= picture.data_size):
        raise SharedMemoryRefused(
            f"The shared memory {name!r} has {size} bytes, but its header places {fields.data_size} bytes of a "
            f"{fields.width}x{fields.height} picture at {fields.data_offset}"
        )
    return picture
