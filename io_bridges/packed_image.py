"""JPEG and PNG pictures in memory, as RGB. The size in the header is checked before anything is decoded."""

import struct

import numpy as np

from io_bridges.frames import LONGEST_SIDE, Pixels
from io_bridges.lazy_imports import opencv
from io_bridges.pixels import read_only

_PNG = b"\x89PNG\r\n\x1a\n"
_JPEG = b"\xff\xd8\xff"
_JPEG_SIZES = frozenset({*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC})
"""Markers of the segments that hold the size (ITU-T T.81, table B.1)."""
_JPEG_BARE = frozenset({0x01, *range(0xD0, 0xDA)})
"""Markers without a length."""


class ImageRefused(ValueError):
    """Bytes that are no picture of an allowed size."""


def is_packed(data: bytes | memoryview) -> bool:
    """Return True if the bytes begin like a JPEG or a PNG."""
    start = bytes(data[: len(_PNG)])
    return start.startswith(_JPEG) or start == _PNG


def unpack(data: bytes | memoryview) -> Pixels:
    """Return the picture as RGB [H, W, 3], read-only, turned by its EXIF tag, without alpha.

    Raises:
        ImageRefused: the bytes are no JPEG or PNG, are damaged, or the picture has more than `LONGEST_SIDE` pixels on
            a side.
    """
    width, height = read_size(data)
    if not (0 < width <= LONGEST_SIDE and 0 < height <= LONGEST_SIDE):
        raise ImageRefused(f"a picture of at most {LONGEST_SIDE} pixels a side is expected, not {width}x{height}")
    cv2 = opencv()
    try:
        pixels = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    except cv2.error:  # OpenCV fails an assertion for some bad headers.
        pixels = None
    if pixels is None:
        raise ImageRefused("the JPEG or PNG is damaged")
    return read_only(cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB, dst=pixels))


def read_size(data: bytes | memoryview) -> tuple[int, int]:
    """Return width and height of a JPEG or PNG in pixels, from its header. Raises `ImageRefused`."""
    try:
        if bytes(data[: len(_PNG)]) == _PNG:
            width, height = struct.unpack_from(">II", data, 16)
            return int(width), int(height)
        if bytes(data[: len(_JPEG)]) == _JPEG:
            return _jpeg_size(data)
    except (struct.error, IndexError) as error:
        raise ImageRefused("the JPEG or PNG ends in its header") from error
    raise ImageRefused("a JPEG or PNG is expected")


def _jpeg_size(data: bytes | memoryview) -> tuple[int, int]:
    place = 2
    while True:
        if data[place] != 0xFF:
            raise ImageRefused("the JPEG is damaged")
        marker = data[place + 1]
        if marker == 0xFF:  # a fill byte
            place += 1
        elif marker in _JPEG_BARE:
            place += 2
        elif marker in _JPEG_SIZES:
            height, width = struct.unpack_from(">HH", data, place + 5)
            return int(width), int(height)
        else:
            (length,) = struct.unpack_from(">H", data, place + 2)
            place += 2 + max(2, int(length))
