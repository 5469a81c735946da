"""Reading of the arguments of old senders that omit the type tags.

The bytes do not tell which type they have. They are read if they have one sensible reading: numbers of a size that
controls send, or one text.
"""

import struct

_NUMBER_BYTES = 4
_SMALLEST, _LARGEST = 1e-6, 1e6
"""Range of numbers without a type tag. The bytes of a float in it are no int in it, so that each has one reading."""
_MOST_ZEROS = 8
"""Zero bytes that may end a text: up to four of its own, and four that some senders add to a message."""


def read_untagged(data: bytes) -> list[object] | None:
    """Return the arguments in these bytes: floats and ints, or one text. None if they have no reading, or two.

    Four bytes are a number wherever they can be one.
    """
    numbers, text = _numbers(data), _single_text(data)
    if numbers is not None and (text is None or len(numbers) == 1):
        return list[object](numbers)
    return [text] if text is not None and numbers is None else None


def _numbers(data: bytes) -> list[int | float] | None:
    if len(data) % _NUMBER_BYTES:
        return None
    numbers = [_number(data[at : at + _NUMBER_BYTES]) for at in range(0, len(data), _NUMBER_BYTES)]
    read = [number for number in numbers if number is not None]
    return read if len(read) == len(numbers) else None


def _number(word: bytes) -> int | float | None:
    (whole,) = struct.unpack(">i", word)
    (real,) = struct.unpack(">f", word)
    if abs(whole) < _LARGEST:
        return int(whole)
    return float(real) if _SMALLEST < abs(real) < _LARGEST else None


def _single_text(data: bytes) -> str | None:
    content = data.rstrip(b"\0")
    if not 1 <= len(data) - len(content) <= _MOST_ZEROS or b"\0" in content:
        return None
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError:
        return None
    return text if text.isprintable() and any(map(str.isalpha, text)) else None
