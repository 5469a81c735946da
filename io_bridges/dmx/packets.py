"""Packets of Art-Net and sACN, as far as they carry levels. No bytes raise an error.

Art-Net 4 (https://art-net.org.uk/downloads/art-net.pdf), ArtDmx; ANSI E1.31-2018
(https://tsp.esta.org/tsp/documents/docs/ANSI_E1-31-2018.pdf), E1.31 Data Packet.
"""

from typing import Literal, NamedTuple

DmxProtocol = Literal["artnet", "sacn"]

ARTNET_PORT, SACN_PORT = 6454, 5568
"""UDP ports of the two protocols."""
DEFAULT_PRIORITY = 100
"""Priority of a source of Art-Net, which has none: that of sACN where nothing else is set."""
LONGEST_PACKET = 2048
"""Bytes that are read of a datagram; no packet with levels is longer."""

_ARTNET = b"Art-Net\0"
_OP_DMX = b"\x00\x50"
_ARTNET_VERSION = 14
_ROOT = b"\x00\x10\x00\x00ASC-E1.17\x00\x00\x00"
_DATA, _FRAMED, _SET_PROPERTY = b"\x00\x00\x00\x04", b"\x00\x00\x00\x02", b"\x02\xa1\x00\x00\x00\x01"
_SACN_HEADER = 126
_PREVIEW, _ENDS = 0x80, 0x40


class DmxPacket(NamedTuple):
    """Levels of one universe from one source."""

    protocol: DmxProtocol
    source: str
    """Text that names the source to this program: a host, or the CID of sACN."""
    name: str
    """Name of the source for people."""
    universe: int
    priority: int
    """Priority of the source from 0 to 200. The highest one holds."""
    sequence: int | None
    """Number of the packet, 0 to 255; None if the source does not count."""
    levels: bytes
    """Levels from channel 1 on, 0 to 255."""
    ends: bool = False
    """True if the source says that it sends no more."""


def parse_artnet(data: bytes, host: str) -> DmxPacket | None:
    """Return the levels in a datagram of Art-Net from a host, None if it is something else."""
    if len(data) < 20 or data[:8] != _ARTNET or data[8:10] != _OP_DMX:
        return None
    count = int.from_bytes(data[16:18], "big")
    if int.from_bytes(data[10:12], "big") < _ARTNET_VERSION or not 1 <= count <= 512 or len(data) < 18 + count:
        return None
    universe = (data[15] & 0x7F) << 8 | data[14]
    return DmxPacket("artnet", host, host, universe, DEFAULT_PRIORITY, data[12] or None, data[18 : 18 + count])


def parse_sacn(data: bytes) -> DmxPacket | None:
    """Return the levels in a datagram of sACN, None if it is something else.

    Levels for a preview are left out, and so is data that is no levels (another start code).
    """
    if len(data) < _SACN_HEADER or data[:16] != _ROOT or data[18:22] != _DATA or data[40:44] != _FRAMED:
        return None
    priority, options = data[108], data[112]
    universe, count = int.from_bytes(data[113:115], "big"), int.from_bytes(data[123:125], "big")
    if data[117:123] != _SET_PROPERTY or not 1 <= count <= 513 or len(data) < _SACN_HEADER - 1 + count:
        return None
    if priority > 200 or not 1 <= universe <= 63999 or options & _PREVIEW or data[125] != 0:
        return None
    name = "".join(sign for sign in data[44:108].split(b"\0")[0].decode("utf-8", "replace") if sign.isprintable())
    levels = data[_SACN_HEADER : _SACN_HEADER - 1 + count]
    return DmxPacket("sacn", data[22:38].hex(), name, universe, priority, data[111], levels, bool(options & _ENDS))
