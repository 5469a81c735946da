"""OSC packets in a TCP stream, in both framings, cut anywhere; python-osc's SLIP is the oracle."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pythonosc import slip

from io_bridges.osc.stream_framing import MAX_PACKET, Framing, MalformedStream, PacketSplitter, framed

PACKETS = st.lists(st.binary(max_size=60).map(lambda rest: b"/" + rest), min_size=1, max_size=6)
FRAMINGS: tuple[Framing, ...] = ("size", "slip")


def feed_in_parts(stream: bytes, cuts: list[int]) -> tuple[PacketSplitter, list[bytes]]:
    splitter, packets, before = PacketSplitter(), list[bytes](), 0
    for cut in [*sorted(cut % (len(stream) + 1) for cut in cuts), len(stream)]:
        packets += splitter.feed(stream[before:cut])
        before = cut
    return splitter, packets


@pytest.mark.parametrize("framing", FRAMINGS)
@given(packets=PACKETS, cuts=st.lists(st.integers(0, 10_000), max_size=6))
def test_cut_streams_are_whole_again(framing: Framing, packets: list[bytes], cuts: list[int]) -> None:
    splitter, read = feed_in_parts(b"".join(framed(packet, framing) for packet in packets), cuts)
    assert read == packets
    assert splitter.framing == framing


@given(packet=st.binary(min_size=1, max_size=200).filter(lambda packet: packet[0] != 0))
def test_slip_is_that_of_python_osc(packet: bytes) -> None:
    assert framed(packet, "slip") == slip.encode(packet)
    assert PacketSplitter().feed(slip.encode(packet)) == [packet]


@given(packets=PACKETS)
def test_frames_with_one_end_byte(packets: list[bytes]) -> None:
    """Some clients send the end byte only after a packet."""
    stream = b"".join(slip.encode(packet)[1:] for packet in packets)
    assert PacketSplitter().feed(stream) == packets


@pytest.mark.parametrize(
    "stream",
    [
        (MAX_PACKET + 1).to_bytes(4, "big"),
        b"\x00\xff\xff\xff",
        b"\xc0/a\xdb\xc0",
        b"\xc0/a\xdbx\xc0",
        b"/" * (2 * MAX_PACKET + 3),
        b"GET / HTTP/1.1\r\n" * 9000,
    ],
)
def test_malformed_streams_are_refused(stream: bytes) -> None:
    with pytest.raises(MalformedStream):
        PacketSplitter().feed(stream)


@given(data=st.binary(max_size=300))
def test_any_bytes_are_split_or_refused(data: bytes) -> None:
    try:
        packets = PacketSplitter().feed(data)
    except MalformedStream:
        return
    assert all(len(packet) <= len(data) for packet in packets)
