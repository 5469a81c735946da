"""OSC datagrams taken apart under fixed limits, and single messages put together.

OSC 1.0 (opensoundcontrol.org/spec-1_0), with the values read by python-osc's codec. The walk over bundles, and every
size in them, is our own: python-osc's loops for ever on an element of size -4, sleeps on a timetag in the future,
skips type tags it doesn't know without skipping their bytes, and reads a blob of negative size backwards.
"""

import struct
from collections.abc import Callable
from enum import Enum
from typing import NamedTuple

from pythonosc.osc_message_builder import OscMessageBuilder
from pythonosc.parsing import osc_types

from presets.errors import BridgeError

LONGEST_DATAGRAM = 65_507
"""Bytes; the most that UDP over IPv4 can carry."""
DEEPEST_BUNDLE = 8
MOST_MESSAGES = 1024
LONGEST_ADDRESS = 255
MOST_ARGUMENTS = 128
DEEPEST_ARRAY = 8

_BUNDLE = b"#bundle\0"
_BUNDLE_HEADER = len(_BUNDLE) + 8  # and its timetag


class MalformedPacket(BridgeError):
    """A datagram that isn't OSC, or more of it than we take; nothing of it was applied."""


class Message(NamedTuple):
    """One OSC message."""

    address: str
    arguments: list[object]


class Impulse(Enum):
    """What the type tag ``I`` (impulse, "bang", infinitum) carries: it happened, without a value."""

    IMPULSE = "impulse"


class Colour(NamedTuple):
    """An OSC ``r`` argument, 0 to 255 each. Not an int, so that no fader takes one for a number."""

    red: int
    green: int
    blue: int
    alpha: int


def walk(datagram: bytes) -> list[Message]:
    """The messages of a datagram in their order, bundles opened, timetags ignored: everything is meant now.

    Arguments are int, float, str, bool and None; what can't be a parameter's value arrives as bytes (blob), tuple
    (midi, timetag), `Colour`, `Impulse` or list (array), which no coercion takes. Raises `MalformedPacket`.
    """
    if len(datagram) > LONGEST_DATAGRAM:
        raise MalformedPacket(f"a datagram of {len(datagram)} bytes; {LONGEST_DATAGRAM} is the most")
    messages: list[Message] = []
    _element(datagram, 0, messages)
    return messages


def encode(address: str, value: str | float | int) -> bytes:
    """One message with one argument: ``i``, ``f`` or ``s``; a bool goes as int 0 or 1, an int past 32 bits as ``h``."""
    builder = OscMessageBuilder(address)
    builder.add_arg(int(value) if isinstance(value, bool) else value)
    return bytes(builder.build().dgram)


def _element(data: bytes, depth: int, messages: list[Message]) -> None:
    if len(data) % 4:
        raise MalformedPacket(f"misaligned: {len(data)} bytes are not a multiple of 4")
    if data.startswith(_BUNDLE):
        _bundle(data, depth, messages)
    elif len(messages) == MOST_MESSAGES:
        raise MalformedPacket(f"more than {MOST_MESSAGES} messages in one datagram")
    else:
        messages.append(_message(data))


def _bundle(data: bytes, depth: int, messages: list[Message]) -> None:
    if depth == DEEPEST_BUNDLE:
        raise MalformedPacket(f"bundles nested more than {DEEPEST_BUNDLE} deep")
    if len(data) < _BUNDLE_HEADER:
        raise MalformedPacket("truncated: a bundle without its timetag")
    index = _BUNDLE_HEADER
    while index < len(data):
        (size,) = struct.unpack_from(">i", data, index)  # 4 bytes are there: everything is a multiple of 4
        index += 4
        if size <= 0:
            raise MalformedPacket(f"a bundle element of size {size}")
        if size > len(data) - index:
            raise MalformedPacket(f"truncated: a bundle element of {size} bytes where {len(data) - index} are left")
        _element(data[index : index + size], depth + 1, messages)
        index += size


def _message(data: bytes) -> Message:
    if not data.startswith(b"/"):
        raise MalformedPacket("not OSC: an address begins with '/'" if data else "empty: no message in it")
    address, index = _string(data, 0)
    if len(address) > LONGEST_ADDRESS:
        raise MalformedPacket(f"an address longer than {LONGEST_ADDRESS} characters")
    if index == len(data):  # old senders leave the type tags out where there are no arguments
        return Message(address, [])
    tags, index = _string(data, index)
    if not tags.startswith(","):
        raise MalformedPacket("type tags must begin with ','")
    if len(tags) > MOST_ARGUMENTS + 1:
        raise MalformedPacket(f"more than {MOST_ARGUMENTS} arguments in one message")
    return Message(address, _arguments(data, index, tags[1:]))


def _arguments(data: bytes, index: int, tags: str) -> list[object]:
    arguments: list[object] = []
    open_arrays = [arguments]
    for tag in tags:
        if tag in _FIXED:
            size, read = _FIXED[tag]
            if index + size > len(data):
                raise MalformedPacket(f"truncated: argument '{tag}' wants {size} bytes, {len(data) - index} are left")
            value, index = read(data, index)
            open_arrays[-1].append(value)
        elif tag in "sS":
            value, index = _string(data, index)
            open_arrays[-1].append(value)
        elif tag == "b":
            value, index = _blob(data, index)
            open_arrays[-1].append(value)
        elif tag in _CONSTANT:
            open_arrays[-1].append(_CONSTANT[tag])
        elif tag == "[":
            if len(open_arrays) > DEEPEST_ARRAY:
                raise MalformedPacket(f"arrays nested more than {DEEPEST_ARRAY} deep")
            array: list[object] = []
            open_arrays[-1].append(array)
            open_arrays.append(array)
        elif tag == "]" and len(open_arrays) > 1:
            open_arrays.pop()
        else:
            raise MalformedPacket(
                "an array closed that was never opened" if tag == "]" else f"an unknown type tag, {tag!r}"
            )
    if len(open_arrays) > 1:
        raise MalformedPacket("an array that is never closed")
    if index != len(data):
        raise MalformedPacket(f"{len(data) - index} bytes left over after the last argument")
    return arguments


def _string(data: bytes, index: int) -> tuple[str, int]:
    # Not osc_types.get_string: it goes byte by byte, four milliseconds for a datagram full of text.
    end = data.find(0, index)
    if end < 0:
        raise MalformedPacket("truncated: a string without its end")
    try:
        text = data[index:end].decode("utf-8")
    except UnicodeDecodeError:
        raise MalformedPacket("a string that is not UTF-8") from None
    return text, end // 4 * 4 + 4


def _blob(data: bytes, index: int) -> tuple[bytes, int]:
    if index + 4 > len(data):
        raise MalformedPacket("truncated: a blob without its size")
    (size,) = struct.unpack_from(">i", data, index)
    if size < 0:
        raise MalformedPacket(f"a blob of size {size}")
    end = index + 4 + (size + 3) // 4 * 4
    if end > len(data):
        raise MalformedPacket(f"truncated: a blob of {size} bytes where {len(data) - index - 4} are left")
    return data[index + 4 : index + 4 + size], end


def _character(data: bytes, index: int) -> tuple[str, int]:
    code, index = osc_types.get_int(data, index)
    if not 0 <= code < 128:
        raise MalformedPacket(f"a character of code {code}; OSC's are ASCII")
    return chr(code), index


def _colour(data: bytes, index: int) -> tuple[Colour, int]:
    return Colour(*data[index : index + 4]), index + 4


_FIXED: dict[str, tuple[int, Callable[[bytes, int], tuple[object, int]]]] = {
    "i": (4, osc_types.get_int),
    "f": (4, osc_types.get_float),
    "h": (8, osc_types.get_int64),
    "d": (8, osc_types.get_double),
    "c": (4, _character),
    "r": (4, _colour),
    "m": (4, osc_types.get_midi),
    "t": (8, osc_types.get_timetag),
}
"""Bytes of each argument of fixed size, and what reads it: python-osc pads a truncated float in silence, so we ask."""

_CONSTANT: dict[str, object] = {"T": True, "F": False, "N": None, "I": Impulse.IMPULSE}
