"""Messages of the link come out of the wire as they went in; a malformed one is refused, whatever its bytes."""

import json
from typing import Any, get_args

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from daemon.link.answers import Answer, Wait, decode_answer
from daemon.link.header import LARGEST, Part
from daemon.link.messages import (
    LONGEST_SIDE,
    Ask,
    Delivery,
    Description,
    Failed,
    FailureKind,
    FrameStamps,
    Hello,
    NetworkCall,
    Phase,
    Progress,
    RendererMessage,
    TakesLong,
    decode_message,
)
from presets.errors import RendererError
from presets.vocabulary import Vocabulary

WORDS = st.text(max_size=30)
VOCABULARY = Vocabulary({"styles": ("halftone", "x-ray")}, ("in",), ("gray",), ("very",), {"comic": "halftone"})
COUNTS = st.integers(1, LARGEST)
SIDES = st.integers(1, LONGEST_SIDE)
STAMPS = st.builds(FrameStamps, st.integers(-1, LARGEST), st.integers(0, LARGEST), st.integers(-1, LARGEST), COUNTS)
PLAIN = st.one_of(
    st.builds(Hello, WORDS),
    st.builds(Progress, st.sampled_from(get_args(Phase)), WORDS, st.floats(0, 1)),
    st.builds(Description, st.dictionaries(WORDS, WORDS, max_size=5), st.none() | st.just(VOCABULARY)),
    st.builds(TakesLong, WORDS, WORDS),
    st.builds(Failed, WORDS, st.sampled_from(get_args(FailureKind))),
    st.builds(Ask, SIDES, SIDES, st.floats(0, 1)),
)


@st.composite
def pictures(draw: st.DrawFn) -> np.ndarray[Any, Any]:
    height, width = draw(st.integers(1, 5)), draw(st.integers(1, 5))
    return np.frombuffer(draw(st.binary(min_size=height * width * 3, max_size=height * width * 3)), np.uint8).reshape(
        height, width, 3
    )


@st.composite
def deliveries(draw: st.DrawFn) -> Delivery:
    place = draw(st.integers(0, 100))
    call = NetworkCall(draw(st.floats(0, 1e6)), draw(st.integers(0, 100)), draw(st.integers(place + 1, 200)), "stream")
    return Delivery(draw(pictures()), draw(STAMPS), call, place)


def wire(parts: list[Part]) -> list[memoryview]:
    """Return the parts as they arrive: flat bytes."""
    return [memoryview(bytes(part)) for part in parts]


@given(PLAIN)
def test_plain_message_round_trip(message: RendererMessage) -> None:
    assert decode_message(wire(message.encode())) == message


@given(deliveries())
def test_delivery_round_trip(delivery: Delivery) -> None:
    arrived = decode_message(wire(delivery.encode()))
    assert isinstance(arrived, Delivery)
    assert (arrived.stamps, arrived.call, arrived.place) == (delivery.stamps, delivery.call, delivery.place)
    assert np.array_equal(arrived.pixels, delivery.pixels)
    assert not arrived.pixels.flags.writeable


@given(st.none() | pictures(), st.integers(0, LARGEST), st.integers(-1, LARGEST), st.binary(max_size=20))
def test_answer_round_trip(pixels: Any, revision: int, source_index: int, frame: bytes) -> None:
    arrived = decode_answer(wire(Answer(revision, frame, pixels, source_index, 7).encode()))
    assert isinstance(arrived, Answer)
    assert (arrived.revision, arrived.source_index, arrived.captured_at) == (revision, source_index, 7)
    assert bytes(arrived.frame) == frame
    assert (arrived.pixels is None) == (pixels is None)
    assert pixels is None or np.array_equal(arrived.pixels, pixels)


def test_wait_round_trip() -> None:
    assert decode_answer(wire(Wait().encode())) == Wait()


def test_pixels_are_not_copied() -> None:
    pixels = np.zeros((4, 4, 3), np.uint8)
    stamps, call = FrameStamps(0, 0, 0, 1), NetworkCall(0.0, 1, 1, "stream")
    header, part = Delivery(pixels, stamps, call, 0).encode()
    assert np.shares_memory(np.asarray(part), pixels)
    arrived = decode_message([header, memoryview(pixels).cast("B")])
    assert isinstance(arrived, Delivery)
    assert np.shares_memory(arrived.pixels, pixels)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=6,
)


@settings(max_examples=400)
@given(st.data())
def test_mutated_message_is_read_or_refused(data: st.DataObject) -> None:
    """Values replaced, removed and added, parts lost and doubled: never anything but `RendererError`."""
    parts = wire(data.draw(PLAIN | deliveries()).encode())
    header = json.loads(bytes(parts[0]))
    for key in data.draw(st.lists(st.sampled_from(sorted(header)), max_size=2)):
        header[key] = data.draw(JSON | st.sampled_from([float("inf"), float("nan"), 10**400, "\ud800", [2**62] * 3]))
    for key in data.draw(st.lists(st.sampled_from(sorted(header)), max_size=1)):
        del header[key]
    parts[0] = memoryview(json.dumps(header).encode())
    parts = data.draw(st.sampled_from([parts, parts[:1], parts[1:], parts * 2]))
    try:
        message = decode_message(parts)
    except RendererError as error:
        str(error).encode()
    else:
        decode_message(wire(message.encode()))


@given(st.lists(st.binary(max_size=40), max_size=3))
def test_random_bytes_are_refused(parts: list[bytes]) -> None:
    with pytest.raises(RendererError):
        decode_message(parts)
    with pytest.raises(RendererError):
        decode_answer(parts)


@pytest.mark.parametrize(
    ("header", "says"),
    [
        (b"[" * 100_000, "not JSON"),
        (b"\xff", "not JSON"),
        (b"9" * 5000, "not JSON"),
        (b"[]", "must be an object"),
        (b"{}", "type must be one of hello"),
        (b'{"type": ["ask"]}', "type must be one of"),
        (b'{"type": "ask", "width": 0, "height": 64, "patience": 0.1}', "width must be a whole number from 1"),
        (b'{"type": "ask", "width": true, "height": 64, "patience": 0.1}', "width must be"),
        (b'{"type": "ask", "width": 64, "height": 9000, "patience": 0.1}', "height must be"),
        (b'{"type": "ask", "width": 64, "height": 64, "patience": NaN}', "patience must be a number from 0 to 1"),
        (b'{"type": "progress", "phase": "sleeping", "text": "", "fraction": 0}', "phase must be one of starting"),
        (b'{"type": "description", "values": {"model": 7}}', "values must be texts by name"),
        (b'{"type": "description", "values": {}, "vocabulary": {"known": {}}}', "vocabulary: .* 1 to 16 are expected"),
        (b'{"type": "description", "values": {}, "vocabulary": {"known": {"a": ["B"]}}}', "words in lower case"),
        (b'{"type": "hello", "token": "\\ud800"}', "token must be a text"),
        (b'{"type": "delivery"}', "has 2 parts"),
    ],
)
def test_malformed_header_is_refused_by_name(header: bytes, says: str) -> None:
    with pytest.raises(RendererError, match=says):
        decode_message([header])


def test_delivery_of_other_length_is_refused() -> None:
    stamps, call = FrameStamps(0, 0, 0, 1), NetworkCall(0.0, 1, 1, "stream")
    header, part = Delivery(np.zeros((4, 4, 3), np.uint8), stamps, call, 0).encode()
    with pytest.raises(RendererError, match="47 bytes are no picture"):
        decode_message([header, bytes(part)[:-1]])
    with pytest.raises(RendererError, match="place must be"):
        decode_message([header.replace(b'"place": 0', b'"place": 1'), part])
