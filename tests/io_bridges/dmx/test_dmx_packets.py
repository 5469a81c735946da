"""Packets of Art-Net and sACN against those that other libraries write, and any other bytes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sacn.messages.data_packet import DataPacket
from stupidArtnet import StupidArtnet

from io_bridges.dmx.packets import parse_artnet, parse_sacn

CID = tuple(range(16))
LEVELS = st.binary(min_size=1, max_size=512)


def sacn_bytes(levels: bytes = bytes(512), universe: int = 1, **fields: object) -> bytes:
    return bytes(DataPacket(CID, "Pult Ü", universe, tuple(levels), **fields).getBytes())


def artnet_bytes(levels: bytes, universe: int = 0) -> bytes:
    sender = StupidArtnet("127.0.0.1", universe, len(levels))
    try:
        return bytes(sender.packet_header) + levels
    finally:
        sender.close()


@given(levels=LEVELS, universe=st.integers(1, 63999), priority=st.integers(0, 200), sequence=st.integers(0, 255))
def test_sacn_of_another_library(levels: bytes, universe: int, priority: int, sequence: int) -> None:
    packet = parse_sacn(sacn_bytes(levels, universe, priority=priority, sequence=sequence))
    assert packet is not None
    # The library fills a universe up.
    assert (packet.levels[: len(levels)], set(packet.levels[len(levels) :]) - {0}) == (levels, set())
    assert packet[1:6] == (bytes(CID).hex(), "Pult Ü", universe, priority, sequence)
    assert not packet.ends


@pytest.mark.parametrize(
    ("fields", "is_read", "ends"),
    [
        ({"streamTerminated": True}, True, True),
        ({"previewData": True}, False, False),
        ({"dmxStartCode": 0xDD}, False, False),
    ],
)
def test_options_of_sacn(fields: dict[str, object], is_read: bool, ends: bool) -> None:
    packet = parse_sacn(sacn_bytes(**fields))
    assert (packet is not None, bool(packet and packet.ends)) == (is_read, ends)


@pytest.mark.parametrize(("count", "universe"), [(2, 0), (512, 1), (100, 18), (512, 0x7FFF)])
def test_artnet_of_another_library(count: int, universe: int) -> None:
    levels = bytes(number % 256 for number in range(count))
    packet = parse_artnet(artnet_bytes(levels, universe), "10.0.0.7")
    assert packet is not None
    assert (packet.universe, packet.levels, packet.source) == (universe, levels, "10.0.0.7")


def test_artnet_byte_by_byte() -> None:
    """The fields by hand, as the specification has them."""
    data = b"Art-Net\0" + b"\x00\x50" + b"\x00\x0e" + bytes([9, 0, 0x12, 0x03]) + b"\x00\x02" + b"\xff\x80"
    packet = parse_artnet(data, "h")
    assert packet is not None
    assert (packet.universe, packet.sequence, packet.levels) == (0x312, 9, b"\xff\x80")
    assert parse_artnet(data[:-1], "h") is None, "cut short"
    assert parse_artnet(data.replace(b"\x00\x50", b"\x00\x20"), "h") is None, "a poll"


VALID = sacn_bytes(bytes(range(256)) * 2), artnet_bytes(bytes(range(256)) * 2)


@given(
    data=st.binary(max_size=700)
    | st.builds(
        lambda valid, cut, changes: bytes(changes.get(place, byte) for place, byte in enumerate(valid[:cut])),
        st.sampled_from(VALID),
        st.integers(0, 700),
        st.dictionaries(st.integers(0, 130), st.integers(0, 255), max_size=6),
    )
)
def test_any_bytes_are_read_or_left_out(data: bytes) -> None:
    for packet in (parse_artnet(data, "h"), parse_sacn(data)):
        if packet is not None:
            assert 0 <= len(packet.levels) <= 512
            assert 0 <= packet.priority <= 200
            assert 0 <= packet.universe <= 63999
            assert data.endswith(packet.levels) or packet.levels in data
