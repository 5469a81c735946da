"""OSC packets: compared with python-osc's builders, and attacked with hostile bytes."""

import struct
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pythonosc.osc_bundle_builder import IMMEDIATELY, OscBundleBuilder
from pythonosc.osc_message_builder import OscMessageBuilder, build_msg

from io_bridges.osc.packets import Colour, Fault, Impulse, MalformedPacket, Message, decode_packet, encode_message


def padded(text: bytes) -> bytes:
    return text + b"\0" * (4 - len(text) % 4)


def message(address: bytes, tags: bytes = b"", data: bytes = b"") -> bytes:
    return padded(address) + padded(b"," + tags) + data


def bundle(*elements: bytes, timetag: int = 1) -> bytes:
    return b"#bundle\0" + struct.pack(">Q", timetag) + b"".join(struct.pack(">i", len(e)) + e for e in elements)


GOOD = message(b"/strength", b"f", struct.pack(">f", 0.5))


def test_all_types_of_python_osc() -> None:
    builder = OscMessageBuilder("/x")
    given_arguments = [
        7,
        -(2**40),
        0.25,
        "tünnel",
        True,
        False,
        None,
        b"\x01\x02\x03",
        (1, 144, 60, 100),
        [1, [2.0, "a"]],
    ]
    for argument in given_arguments:
        builder.add_arg(argument)
    assert decode_packet(builder.build().dgram) == [Message("/x", given_arguments)]


def test_types_unknown_to_python_osc() -> None:
    data = padded(b"sym") + struct.pack(">i", ord("k")) + bytes([255, 128, 0, 64])
    (found,) = decode_packet(message(b"/x", b"SIcr", data))
    assert found.arguments == ["sym", Impulse.IMPULSE, "k", Colour(255, 128, 0, 64)]


def test_double_and_timetag() -> None:
    (found,) = decode_packet(message(b"/x", b"dt", struct.pack(">dQ", 0.1, 2**63)))
    assert found.arguments[0] == 0.1
    assert isinstance(found.arguments[1], tuple)


def test_message_without_type_tags() -> None:
    assert decode_packet(padded(b"/panic")) == [Message("/panic", [])]
    assert decode_packet(b"/panic\0") == [Message("/panic", [])], "without its padding too"


@pytest.mark.parametrize(
    ("data", "arguments"),
    [
        (struct.pack(">f", 0.5), [0.5]),
        (struct.pack(">i", 127), [127]),
        (struct.pack(">ff", 0.25, 0.5), [0.25, 0.5]),
        (struct.pack(">fi", 1.0, 3), [1.0, 3]),
        (padded(b"golden rings"), ["golden rings"]),
        (padded("köln".encode()), ["köln"]),
        (padded(b"fire") + b"\0" * 4, ["fire"]),
        (b"fire\0", ["fire"]),
        (b"CDEF\0\0\0\0", None),  # a text, or 196.27 and 0
        (padded(b"golden") + padded(b"rings"), None),
        (struct.pack(">fi", 0.5, 2**30 + 1) + b"\x7f" * 4, None),
        (b"golden rings", None),
        (b"\1\2\3\4\5\0\0\0", None),
    ],
)
def test_arguments_without_type_tags(data: bytes, arguments: list[object] | None) -> None:
    faults: list[Fault] = []
    found = decode_packet(padded(b"/prompt") + data, faults)
    assert found == ([] if arguments is None else [Message("/prompt", arguments)])
    assert [fault.address for fault in faults] == (["/prompt"] if arguments is None else [])


SIZED = b"#bundle\0" + b"\0" * 7 + b"\1" + struct.pack(">i", len(GOOD)) + GOOD


@pytest.mark.parametrize(
    ("datagram", "good", "faults"),
    [
        (bundle(message(b"/freeze", b"Q"), GOOD), 1, [("/freeze", "unknown type tag 'Q'")]),
        (bundle(GOOD, b"seed\0\0\0\0", GOOD), 2, [("", "must begin with '/'")]),
        (bundle(GOOD, bundle(message(b"/a", b"i"), GOOD), GOOD), 3, [("/a", "'i' needs 4 bytes")]),
        (SIZED + struct.pack(">i", -4), 1, [("", "size -4")]),
        (SIZED + struct.pack(">i", 400) + GOOD, 1, [("", "400 bytes with 20 left")]),
        (SIZED + struct.pack(">i", 0) + SIZED[16:], 2, [("", "size 0")]),
        (SIZED + b"\0" * 8, 1, []),
        (SIZED + struct.pack(">i", 17) + padded(b"/mode") + b",s\0\0text\0\0\0\0" + SIZED[16:], 3, []),
        (bundle(GOOD, bundle(b"x" * 4, b"y" * 4)), 1, [("", "'/'"), ("", "'/'")]),
    ],
)
def test_good_messages_beside_bad_ones(datagram: bytes, good: int, faults: list[tuple[str, str]]) -> None:
    found: list[Fault] = []
    messages = decode_packet(datagram, found)
    assert len(messages) == good
    assert messages.count(Message("/strength", [0.5])) >= good - 1
    assert [fault.address for fault in found] == [address for address, _ in faults]
    assert all(reason in fault.reason for fault, (_, reason) in zip(found, faults, strict=True))


def test_faults_are_bounded() -> None:
    empty = struct.pack(">i", 0)
    faults: list[Fault] = []
    assert decode_packet(bundle() + empty * 16_000 + b"\1\0\0\0", faults) == []
    assert len(faults) == 1025


def test_nested_bundles_keep_order() -> None:
    inner = OscBundleBuilder(time.time() + 3600)
    inner.add_content(build_msg("/steps", 3))
    outer = OscBundleBuilder(IMMEDIATELY)
    outer.add_content(build_msg("/seed", 1))
    outer.add_content(inner.build())
    outer.add_content(build_msg("/seed", 2))
    assert decode_packet(outer.build().dgram) == [Message("/seed", [1]), Message("/steps", [3]), Message("/seed", [2])]


def nested(depth: int) -> bytes:
    data = GOOD
    for _ in range(depth):
        data = bundle(data)
    return data


def test_bundle_depth_limit() -> None:
    assert len(decode_packet(nested(8))) == 1
    with pytest.raises(MalformedPacket, match="nested more than 8"):
        decode_packet(nested(9))


def test_message_count_limit() -> None:
    small = message(b"/a")
    assert len(decode_packet(bundle(*[small] * 1024))) == 1024
    with pytest.raises(MalformedPacket, match="more than 1024 messages"):
        decode_packet(bundle(*[small] * 1025))
    assert len(decode_packet(bundle(bundle(*[small] * 1025), small), [])) == 1024, "the first are taken"


@pytest.mark.parametrize(
    ("datagram", "reason"),
    [
        (b"", "empty"),
        (b"abc\0", "must begin with '/'"),
        (b"/abc", "without an end"),
        (b"\0" * 65_508, "limit is 65507"),
        (message(b"/" + b"a" * 255), "longer than 255"),
        (padded(b"/a") + padded(b"if") + b"\0\0\0\1\x3f\0\0\0", "begin with ','"),
        (message(b"/a", b"i"), "'i' needs 4 bytes, with 0 left"),
        (message(b"/a", b"f"), "'f' needs 4 bytes"),
        (message(b"/a", b"d", b"\0" * 4), "'d' needs 8 bytes"),
        (message(b"/a", b"s"), "without an end"),
        (message(b"/a", b"s", b"abcd"), "without an end"),
        (message(b"/a", b"b"), "blob without a size"),
        (message(b"/a", b"b", struct.pack(">i", -4)), "blob of size -4"),
        (message(b"/a", b"b", struct.pack(">i", 2**31 - 1)), "blob of 2147483647 bytes with 0"),
        (message(b"/a", b"Q"), "unknown type tag"),
        (message(b"/a", b"T" * 129), "more than 128 arguments"),
        (message(b"/a", b"[" * 9 + b"]" * 9), "nested more than 8"),
        (message(b"/a", b"[i", b"\0" * 4), r"'\[' without '\]'"),
        (message(b"/a", b"]"), r"'\]' without '\['"),
        (message(b"/a", b"i", b"\0\0\0\0\0\0\0\1"), "4 bytes left"),
        (message(b"/a", b"c", struct.pack(">i", 0x110000)), "ASCII"),
        (b"#bundle\0" + b"\0" * 4, "without a timetag"),
        (b"#bundle\0" + b"\0" * 8 + struct.pack(">i", -4), "element of size -4"),
        (b"#bundle\0" + b"\0" * 8 + struct.pack(">i", 0) + GOOD, "element of size 0"),
        (b"#bundle\0" + b"\0" * 8 + struct.pack(">i", 400) + GOOD, "400 bytes with 20 left"),
        (b"#bundle\0" + b"\0" * 8 + b"\0\0\1", "misaligned: 3 bytes left"),
    ],
)
def test_each_fault_names_its_reason(datagram: bytes, reason: str) -> None:
    with pytest.raises(MalformedPacket, match=reason):
        decode_packet(datagram)


@given(st.binary(max_size=400))
def test_random_bytes(datagram: bytes) -> None:
    try:
        messages = decode_packet(datagram)
    except MalformedPacket:
        return
    assert len(messages) <= len(datagram) // 4


@given(
    st.text(alphabet="ifhdsScrmtbTFNI[]", max_size=20),
    st.binary(max_size=200),
    st.lists(st.tuples(st.integers(0, 300), st.integers(0, 255)), max_size=4),
)
def test_damaged_packets(tags: str, data: bytes, edits: list[tuple[int, int]]) -> None:
    # Random bytes rarely look like OSC, so these start as a good bundle with some bytes changed.
    datagram = bytearray(bundle(GOOD, bundle(message(b"/x", tags.encode(), data), GOOD)))
    for place, value in edits:
        datagram[place % len(datagram)] = value
    try:
        messages = decode_packet(bytes(datagram))
    except MalformedPacket:
        return
    assert all(isinstance(found, Message) for found in messages)


@given(
    st.one_of(
        st.integers(-(2**63), 2**63 - 1),
        st.floats(width=32, allow_nan=False),
        st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")),
    )
)
def test_encode_decode_round_trip(value: str | float | int) -> None:
    assert decode_packet(encode_message("/x", value)) == [Message("/x", [value])]


def test_bool_is_encoded_as_int() -> None:
    assert decode_packet(encode_message("/freeze", True)) == [Message("/freeze", [1])]
    assert b",i" in encode_message("/freeze", True)
