"""The array message codec: what it accepts, and that it refuses everything else by name."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from io_bridges.array_message import MAX_HEADER_BYTES, REASONS, MessageRefused, decode, encode
from io_bridges.frames import RenderedFrame, Tick

PIXELS = np.arange(4 * 5 * 3, dtype=np.uint8).reshape(4, 5, 3)
GOOD = {"dtype": "uint8", "shape": [4, 5, 3]}


def message(pixels=PIXELS, **keys):
    header = {"dtype": str(pixels.dtype), "shape": pixels.shape, **keys}
    return [json.dumps(header).encode(), pixels.tobytes()]


def refused(parts):
    with pytest.raises(MessageRefused) as caught:
        decode(parts)
    return caught.value.reason


def test_pyzmq_documented_message():
    decoded = decode(message())
    assert np.array_equal(decoded.rgb(), PIXELS)
    assert decoded.index is None
    assert decoded.captured_at is None


def test_pixels_are_not_copied():
    parts = message()
    decoded = decode(parts)
    assert np.shares_memory(decoded.rgb(), np.frombuffer(parts[1], np.uint8))
    assert not decoded.pixels.flags.writeable
    assert not decode([parts[0], bytearray(parts[1])]).pixels.flags.writeable


def test_optional_keys_are_read():
    decoded = decode(message(PIXELS[::-1, :, ::-1], format="bgr", origin="bottom-left", index=7, captured_at=123))
    assert np.array_equal(decoded.rgb(), PIXELS)
    assert (decoded.index, decoded.captured_at) == (7, 123)


def test_imagezmq_message_is_bgr():
    assert np.array_equal(decode(message(PIXELS[:, :, ::-1], msg="camera 1")).rgb(), PIXELS)


def test_gray_and_rgba_shapes():
    gray = PIXELS[:, :, 0]
    assert np.array_equal(decode(message(gray)).rgb()[:, :, 2], gray)
    assert decode(message(np.zeros((4, 5, 4), np.uint8))).format == "rgba"


def test_topic_part_is_skipped():
    assert np.array_equal(decode([b"camera", *message()]).rgb(), PIXELS)


@pytest.mark.parametrize(
    ("keys", "reason"),
    [
        ({"dtype": "float32"}, "dtype"),
        ({"dtype": None}, "dtype"),
        ({"dtype": ["uint8"]}, "dtype"),
        ({"shape": [20_000, 20_000, 3]}, "shape"),
        ({"shape": [0, 5, 3]}, "shape"),
        ({"shape": [-4, 5, 3]}, "shape"),
        ({"shape": [4, 5, 2]}, "shape"),
        ({"shape": [4, 5, 3, 1]}, "shape"),
        ({"shape": [4.0, 5, 3]}, "shape"),
        ({"shape": [True, 5, 3]}, "shape"),
        ({"shape": "4x5x3"}, "shape"),
        ({"shape": [10**3000, 5, 3]}, "shape"),
        ({"shape": [4, 6, 3]}, "size"),
        ({"format": "yuv"}, "format"),
        ({"format": "bgra"}, "format"),
        ({"format": {}}, "format"),
        ({"origin": "centre"}, "origin"),
        ({"origin": "\ud800"}, "origin"),
        ({"index": -1}, "index"),
        ({"index": "one"}, "index"),
        ({"index": True}, "index"),
        ({"captured_at": float("nan")}, "captured_at"),
        ({"captured_at": 1e300}, "captured_at"),
        ({"captured_at": 10**4000}, "captured_at"),
    ],
)
def test_wrong_field_names_its_reason(keys, reason):
    assert reason in REASONS
    assert refused([json.dumps(GOOD | keys).encode(), PIXELS.tobytes()]) == reason


@pytest.mark.parametrize(
    "header",
    [
        b"",
        b"[]",
        b"null",
        b"{",
        b"\xff\xfe",
        b"[" * MAX_HEADER_BYTES,
        b'{"a":' * 800,
        b" " * (MAX_HEADER_BYTES + 1),
        json.dumps(GOOD | {"note": "x" * MAX_HEADER_BYTES}).encode(),
    ],
)
def test_bad_header_is_refused(header):
    assert refused([header, PIXELS.tobytes()]) == "header"


@pytest.mark.parametrize("count", [0, 1, 4, 9])
def test_wrong_part_count_is_refused(count):
    assert refused([b"{}"] * count) == "parts"


def test_truncated_pixels_are_refused():
    with pytest.raises(MessageRefused, match="60 bytes; this one has 59"):
        decode([json.dumps(GOOD).encode(), PIXELS.tobytes()[:-1]])


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.sampled_from(["uint8", "rgb"]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=8,
)
headers = st.fixed_dictionaries(
    {},
    optional={
        "dtype": st.just("uint8") | json_values,
        "shape": st.lists(st.integers(-2, 9000), max_size=4) | json_values,
        "format": st.sampled_from(["rgb", "bgr", "rgba", "bgra", "gray"]) | json_values,
        "origin": st.sampled_from(["top-left", "bottom-left"]) | json_values,
        "index": json_values,
        "captured_at": json_values,
        "msg": json_values,
    },
).map(lambda header: json.dumps(header).encode())


@given(st.lists(headers | st.binary(max_size=200), max_size=4))
def test_random_parts_decode_or_refuse(parts):
    refusal = None
    try:
        shape = decode(parts).rgb().shape
    except MessageRefused as error:
        refusal = error
    if refusal is None:
        assert shape[2] == 3
    else:
        assert refusal.reason in REASONS
        assert len(str(refusal)) < 300


@given(
    height=st.integers(1, 20),
    width=st.integers(1, 20),
    layout=st.sampled_from([("gray", 1), ("rgb", 3), ("bgr", 3), ("rgba", 4), ("bgra", 4)]),
    cut=st.integers(-3, 3),
)
def test_byte_count_must_be_exact(height, width, layout, cut):
    name, channels = layout
    size = max(0, height * width * channels + cut)
    header = json.dumps({"dtype": "uint8", "shape": [height, width, channels], "format": name}).encode()
    if size == height * width * channels:
        assert decode([header, bytes(size)]).rgb().shape == (height, width, 3)
    else:
        assert refused([header, bytes(size)]) == "size"


def test_encode_decode_round_trip():
    frame = RenderedFrame(PIXELS, index=41, source_index=12, captured_at=999, revision=3)
    parts = encode(frame, Tick(index=50, at=0, repeated=True), PIXELS)
    header = json.loads(parts[0])
    assert header == {
        "dtype": "uint8",
        "shape": [4, 5, 3],
        "format": "rgb",
        "origin": "top-left",
        "index": 41,
        "tick": 50,
        "captured_at": 999,
        "revision": 3,
        "source_index": 12,
        "repeated": True,
    }
    decoded = decode(parts)
    assert np.array_equal(decoded.rgb(), PIXELS)
    assert (decoded.index, decoded.captured_at) == (41, 999)
