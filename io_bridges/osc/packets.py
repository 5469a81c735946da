"""Decoding of OSC datagrams under fixed limits, and encoding of single messages.

Follows OSC 1.0 (opensoundcontrol.org/spec-1_0). python-osc's codec reads the single values. Bundles and all sizes are
checked here, because python-osc loops for ever on an element of size -4, sleeps on a timetag in the future, skips an
unknown type tag without its bytes, and reads a blob of negative size backwards.
"""

import struct
import sys
from collections.abc import Callable
from enum import Enum
from typing import NamedTuple

from pythonosc.osc_message_builder import OscMessageBuilder
from pythonosc.parsing import osc_types

from io_bridges.osc.untagged_arguments import read_untagged
from io_bridges.show_control import MAX_ADDRESS
from presets.errors import BridgeError

MAX_DATAGRAM_BYTES = 65_507
"""Largest payload of UDP over IPv4."""
MAX_BUNDLE_DEPTH = 8
MAX_MESSAGES = 1024
"""Messages and faults that are read from one datagram."""
MAX_ARGUMENTS = 128
MAX_ARRAY_DEPTH = 8

_CODE_PAGE = "mbcs" if sys.platform == "win32" else "cp1252"
_BUNDLE = b"#bundle\0"
_SIZE_BYTES = 4
_BUNDLE_HEADER = len(_BUNDLE) + 8  # The timetag has 8 bytes.


class MalformedPacket(BridgeError):
    """A message that is not OSC or exceeds a limit."""


class Message(NamedTuple):
    """One OSC message."""

    address: str
    arguments: list[object]


class Fault(NamedTuple):
    """A part of a datagram that is not OSC or exceeds a limit."""

    address: str
    """Address of the message; empty if it has none."""
    reason: str


class Impulse(Enum):
    """The argument of type tag ``I`` (impulse, "bang", infinitum), which has no value."""

    IMPULSE = "impulse"


class Colour(NamedTuple):
    """An OSC ``r`` argument, 0 to 255 each. It is not an int, so that no parameter takes it for a number."""

    red: int
    green: int
    blue: int
    alpha: int


def decode_packet(datagram: bytes, faults: list[Fault] | None = None) -> list[Message]:
    """Return the messages of a datagram in order, with bundles flattened and timetags ignored.

    Arguments that can be a parameter's value are int, float, str, bool, None, `Impulse`, or a list (array) of them. The
    others are bytes (blob), tuple (midi, timetag) and `Colour`, which no parameter accepts.

    Each element of a bundle is read for itself: one that is malformed is added to `faults`, and the others are
    returned. Without `faults` the first one raises `MalformedPacket`.
    """
    messages: list[Message] = []
    found = [] if faults is None else faults
    if len(datagram) > MAX_DATAGRAM_BYTES:
        found.append(Fault("", f"a datagram of {len(datagram)} bytes; the limit is {MAX_DATAGRAM_BYTES}"))
    else:
        _decode_element(datagram, 0, messages, found)
    if found and faults is None:
        raise MalformedPacket(found[0].reason)
    return messages


def encode_message(address: str, *values: str | float | int) -> bytes:
    """Return a message with these arguments: ``i``, ``f`` or ``s``.

    A bool becomes the int 0 or 1, and an int of more than 32 bits becomes ``h``.
    """
    builder = OscMessageBuilder(address)
    for value in values:
        builder.add_arg(int(value) if isinstance(value, bool) else value)
    return bytes(builder.build().dgram)


def _decode_element(data: bytes, depth: int, messages: list[Message], faults: list[Fault]) -> None:
    try:
        if data.startswith(_BUNDLE):
            _decode_bundle(data, depth, messages, faults)
        else:
            messages.append(_decode_message(data))
    except MalformedPacket as error:
        faults.append(Fault(_address_of(data), str(error)))


def _decode_bundle(data: bytes, depth: int, messages: list[Message], faults: list[Fault]) -> None:
    if depth == MAX_BUNDLE_DEPTH:
        raise MalformedPacket(f"bundles nested more than {MAX_BUNDLE_DEPTH} deep")
    if len(data) < _BUNDLE_HEADER:
        raise MalformedPacket("truncated: a bundle without a timetag")
    index, end = _BUNDLE_HEADER, len(data)
    content_end = len(data.rstrip(b"\0"))  # some senders pad with zeros
    while index < content_end:
        count = len(messages) + len(faults)
        if count >= MAX_MESSAGES:
            if count == MAX_MESSAGES:
                raise MalformedPacket(f"more than {MAX_MESSAGES} messages in one datagram")
            return
        if end - index < _SIZE_BYTES:
            raise MalformedPacket(f"misaligned: {end - index} bytes left after the last element of a bundle")
        (size,) = struct.unpack_from(">i", data, index)
        index += _SIZE_BYTES
        if size < 0:
            raise MalformedPacket(f"a bundle element of size {size}")
        if size > end - index:
            raise MalformedPacket(f"truncated: a bundle element of {size} bytes with {end - index} left")
        if size:
            _decode_element(data[index : index + size], depth + 1, messages, faults)
        else:
            faults.append(Fault("", "a bundle element of size 0"))
        index += (size + 3) // 4 * 4  # a sender that leaves the padding out of a size has sent it all the same


def _address_of(data: bytes) -> str:
    """Return the address of a malformed message as far as it can be read."""
    return _text(data[: MAX_ADDRESS + 1].partition(b"\0")[0])[:MAX_ADDRESS] if data.startswith(b"/") else ""


def _decode_message(data: bytes) -> Message:
    if not data.startswith(b"/"):
        raise MalformedPacket("not OSC: an address must begin with '/'" if data else "empty: no message")
    address, index = _string(data, 0)
    if len(address) > MAX_ADDRESS:
        raise MalformedPacket(f"an address longer than {MAX_ADDRESS} characters")
    if index >= len(data):  # Old senders omit the type tags of a message without arguments, and some the padding.
        return Message(address, [])
    if data[index : index + 1] != b",":
        arguments = read_untagged(data[index:]) or []
        if not arguments or len(arguments) > MAX_ARGUMENTS:
            raise MalformedPacket("type tags must begin with ','")
        return Message(address, arguments)
    tags, index = _string(data, index)
    if len(tags) > MAX_ARGUMENTS + 1:
        raise MalformedPacket(f"more than {MAX_ARGUMENTS} arguments in one message")
    return Message(address, _decode_arguments(data, index, tags[1:]))


def _decode_arguments(data: bytes, index: int, tags: str) -> list[object]:
    arguments: list[object] = []
    open_arrays = [arguments]
    for tag in tags:
        if tag in _FIXED:
            size, read = _FIXED[tag]
            if index + size > len(data):
                raise MalformedPacket(f"truncated: argument '{tag}' needs {size} bytes, with {len(data) - index} left")
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
            if len(open_arrays) > MAX_ARRAY_DEPTH:
                raise MalformedPacket(f"arrays nested more than {MAX_ARRAY_DEPTH} deep")
            array: list[object] = []
            open_arrays[-1].append(array)
            open_arrays.append(array)
        elif tag == "]" and len(open_arrays) > 1:
            open_arrays.pop()
        else:
            raise MalformedPacket("']' without '['" if tag == "]" else f"unknown type tag {tag!r}")
    if len(open_arrays) > 1:
        raise MalformedPacket("'[' without ']'")
    if any(data[index:]):  # some senders pad with zeros
        raise MalformedPacket(f"{len(data) - index} bytes left after the last argument")
    return arguments


def _string(data: bytes, index: int) -> tuple[str, int]:
    # osc_types.get_string reads byte by byte, which takes four milliseconds for a datagram full of text.
    end = data.find(0, index)
    if end < 0:
        raise MalformedPacket("truncated: a string without an end")
    return _text(data[index:end]), end // 4 * 4 + 4


def _text(data: bytes) -> str:
    """Return UTF-8 as text, and other bytes by the code page of this machine, as senders on Windows mean them."""
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return data.decode(_CODE_PAGE, "replace")


def _blob(data: bytes, index: int) -> tuple[bytes, int]:
    if index + 4 > len(data):
        raise MalformedPacket("truncated: a blob without a size")
    (size,) = struct.unpack_from(">i", data, index)
    if size < 0:
        raise MalformedPacket(f"a blob of size {size}")
    end = index + 4 + (size + 3) // 4 * 4
    if end > len(data):
        raise MalformedPacket(f"truncated: a blob of {size} bytes with {len(data) - index - 4} left")
    return data[index + 4 : index + 4 + size], end


def _character(data: bytes, index: int) -> tuple[str, int]:
    code, index = osc_types.get_int(data, index)
    if not 0 <= code < 128:
        raise MalformedPacket(f"character code {code} is not ASCII")
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
"""Size in bytes and reader of each argument of fixed size. python-osc silently pads a truncated float."""

_CONSTANT: dict[str, object] = {"T": True, "F": False, "N": None, "I": Impulse.IMPULSE}
