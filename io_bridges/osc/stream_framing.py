"""Framing of OSC packets in a TCP stream: a size before each (OSC 1.0), or SLIP (OSC 1.1, RFC 1055).

The first byte of a connection tells which one the client speaks. A size below 16 MB begins with a zero byte; a packet
begins with ``/`` or ``#``, and a SLIP frame may begin with its end byte.
"""

from typing import Literal

from presets.errors import BridgeError

MAX_PACKET = 65_507
"""Bytes of the largest packet: that of the largest datagram."""

Framing = Literal["size", "slip"]

_END, _ESCAPE = b"\xc0", b"\xdb"
_ESCAPED_END, _ESCAPED_ESCAPE = b"\xdb\xdc", b"\xdb\xdd"
_SIZE_BYTES = 4
_MAX_FRAME = 2 * MAX_PACKET + 2
"""Bytes of the largest SLIP frame: each byte of the packet may be escaped."""


class MalformedStream(BridgeError):
    """Bytes that are no OSC stream. Nothing after them can be read."""


class PacketSplitter:
    """Splits the bytes of one connection into packets."""

    def __init__(self) -> None:
        self.framing: Framing | None = None
        """Framing that the client speaks, None before its first byte."""
        self._waiting = bytearray()

    def feed(self, data: bytes) -> list[bytes]:
        """Return the packets that are complete with these bytes. Raises `MalformedStream`."""
        if self.framing is None and data:
            self.framing = "size" if data[0] == 0 else "slip"
        self._waiting += data
        return self._take_sized() if self.framing == "size" else self._take_slip()

    def _take_sized(self) -> list[bytes]:
        packets, at = [], 0
        while len(self._waiting) - at >= _SIZE_BYTES:
            size = int.from_bytes(self._waiting[at : at + _SIZE_BYTES], "big")
            if size > MAX_PACKET:
                raise MalformedStream(f"a packet of {size} bytes; {MAX_PACKET} are allowed")
            end = at + _SIZE_BYTES + size
            if len(self._waiting) < end:
                break
            packets.append(bytes(self._waiting[at + _SIZE_BYTES : end]))
            at = end
        del self._waiting[:at]
        return packets

    def _take_slip(self) -> list[bytes]:
        *frames, rest = bytes(self._waiting).split(_END)
        if max(map(len, (*frames, rest))) > _MAX_FRAME:
            raise MalformedStream(f"a frame longer than a packet of {MAX_PACKET} bytes")
        self._waiting[:] = rest
        return [unescape(frame) for frame in frames if frame]


def unescape(frame: bytes) -> bytes:
    """Return the packet of a SLIP frame without its ends. Raises `MalformedStream`."""
    first, *parts = frame.split(_ESCAPE)
    packet = [first]
    for part in parts:
        if not part or part[:1] not in (_ESCAPED_END[1:], _ESCAPED_ESCAPE[1:]):
            raise MalformedStream("a SLIP escape without its second byte")
        packet += [_END if part[:1] == _ESCAPED_END[1:] else _ESCAPE, part[1:]]
    return b"".join(packet)


def framed(packet: bytes, framing: Framing) -> bytes:
    """Return a packet as a client with that framing reads it."""
    if framing == "size":
        return len(packet).to_bytes(_SIZE_BYTES, "big") + packet
    return _END + packet.replace(_ESCAPE, _ESCAPED_ESCAPE).replace(_END, _ESCAPED_END) + _END
