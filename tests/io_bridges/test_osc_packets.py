"""OSC datagrams: python-osc's builders as oracle for what is good, hostile bytes for what is not."""

import struct
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pythonosc.osc_bundle_builder import IMMEDIATELY, OscBundleBuilder
from pythonosc.osc_message_builder import OscMessageBuilder, build_msg

from io_bridges.osc.packets import Colour, Impulse, MalformedPacket, Message, encode, walk


def padded(text: bytes) -> bytes:
    return text + b"\0" * (4 - len(text) % 4)


def message(address: bytes, tags: bytes = b"", data: bytes = b"") -> bytes:
    return padded(address) + padded(b"," + tags) + data


def bundle(*elements: bytes, timetag: int = 1) -> bytes:
    return b"#bundle\0" + struct.pack(">Q", timetag) + b"".join(struct.pack(">i", len(e)) + e for e in elements)


GOOD = message(b"/strength", b"f", struct.pack(">f", 0.5))


def test_every_type_of_python_oscs_builder_is_read() -> None:
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
    assert walk(builder.build().dgram) == [Message("/x", given_arguments)]


def test_types_that_python_osc_does_not_know() -> None:
    data = padded(b"sym") + struct.pack(">i", ord("k")) + bytes([255, 128, 0, 64])
    (found,) = walk(message(b"/x", b"SIcr", data))
    assert found.arguments == ["sym", Impulse.IMPULSE, "k", Colour(255, 128, 0, 64)]


def test_a_double_keeps_its_precision_and_a_timetag_is_no_number() -> None:
    (found,) = walk(message(b"/x", b"dt", struct.pack(">dQ", 0.1, 2**63)))
    assert found.arguments[0] == 0.1
    assert isinstance(found.arguments[1], tuple)


def test_a_message_without_type_tags_has_no_arguments() -> None:
    assert walk(padded(b"/panic")) == [Message("/panic", [])]


def test_nested_bundles_from_the_builder_keep_their_order_and_ignore_timetags() -> None:
    inner = OscBundleBuilder(time.time() + 3600)
    inner.add_content(build_msg("/steps", 3))
    outer = OscBundleBuilder(IMMEDIATELY)
    outer.add_content(build_msg("/seed", 1))
    outer.add_content(inner.build())
    outer.add_content(build_msg("/seed", 2))
    assert walk(outer.build().dgram) == [Message("/seed", [1]), Message("/steps", [3]), Message("/seed", [2])]


def nested(depth: int) -> bytes:
    data = GOOD
    for _ in range(depth):
        data = bundle(data)
    return data


def test_bundles_nest_to_the_limit_and_no_deeper() -> None:
    assert len(walk(nested(8))) == 1
    with pytest.raises(MalformedPacket, match="nested more than 8"):
        walk(nested(9))


def test_messages_go_to_the_limit_and_no_further() -> None:
    small = message(b"/a")
    assert len(walk(bundle(*[small] * 1024))) == 1024
    with pytest.raises(MalformedPacket, match="more than 1024 messages"):
        walk(bundle(*[small] * 1025))


@pytest.mark.parametrize(
    ("datagram", "reason"),
    [
        (b"", "empty"),
        (b"/a\0", "misaligned"),
        (b"abc\0", "begins with '/'"),
        (b"/abc", "without its end"),
        (b"\0" * 65_508, "65507 is the most"),
        (message(b"/" + b"a" * 255), "longer than 255"),
        (message(b"/\xff\xfe"), "not UTF-8"),
        (message(b"/a", b"s", padded(b"\xc3\x28")), "not UTF-8"),
        (padded(b"/a") + padded(b"if"), "begin with ','"),
        (message(b"/a", b"i"), "'i' wants 4 bytes, 0 are left"),
        (message(b"/a", b"f"), "'f' wants 4 bytes"),
        (message(b"/a", b"d", b"\0" * 4), "'d' wants 8 bytes"),
        (message(b"/a", b"s"), "without its end"),
        (message(b"/a", b"s", b"abcd"), "without its end"),
        (message(b"/a", b"b"), "blob without its size"),
        (message(b"/a", b"b", struct.pack(">i", -4)), "blob of size -4"),
        (message(b"/a", b"b", struct.pack(">i", 2**31 - 1)), "blob of 2147483647 bytes where 0"),
        (message(b"/a", b"Q"), "unknown type tag"),
        (message(b"/a", b"T" * 129), "more than 128 arguments"),
        (message(b"/a", b"[" * 9 + b"]" * 9), "nested more than 8"),
        (message(b"/a", b"[i", b"\0" * 4), "never closed"),
        (message(b"/a", b"]"), "never opened"),
        (message(b"/a", b"i", b"\0" * 8), "4 bytes left over"),
        (message(b"/a", b"c", struct.pack(">i", 0x110000)), "ASCII"),
        (b"#bundle\0" + b"\0" * 4, "without its timetag"),
        (b"#bundle\0" + b"\0" * 8 + struct.pack(">i", -4), "element of size -4"),
        (b"#bundle\0" + b"\0" * 8 + struct.pack(">i", 0) + GOOD, "element of size 0"),
        (b"#bundle\0" + b"\0" * 8 + struct.pack(">i", 400) + GOOD, "400 bytes where 20 are left"),
        (b"#bundle\0" + b"\0" * 8 + struct.pack(">i", 18) + GOOD, "misaligned: 18"),
    ],
)
def test_each_fault_is_refused_by_the_check_that_names_it(datagram: bytes, reason: str) -> None:
    with pytest.raises(MalformedPacket, match=reason):
        walk(datagram)


@given(st.binary(max_size=400))
def test_any_bytes_are_messages_or_refused(datagram: bytes) -> None:
    try:
        messages = walk(datagram)
    except MalformedPacket:
        return
    assert len(messages) <= len(datagram) // 4


@given(
    st.text(alphabet="ifhdsScrmtbTFNI[]", max_size=20),
    st.binary(max_size=200),
    st.lists(st.tuples(st.integers(0, 300), st.integers(0, 255)), max_size=4),
)
def test_near_misses_are_messages_or_refused(tags: str, data: bytes, edits: list[tuple[int, int]]) -> None:
    # Random bytes rarely look like OSC: these begin as a good bundle and are then bent.
    datagram = bytearray(bundle(GOOD, bundle(message(b"/x", tags.encode(), data), GOOD)))
    for place, value in edits:
        datagram[place % len(datagram)] = value
    try:
        messages = walk(bytes(datagram))
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
def test_what_is_encoded_is_walked_back(value: str | float | int) -> None:
    assert walk(encode("/x", value)) == [Message("/x", [value])]


def test_a_bool_goes_out_as_an_int() -> None:
    assert walk(encode("/freeze", True)) == [Message("/freeze", [1])]
    assert b",i" in encode("/freeze", True)
