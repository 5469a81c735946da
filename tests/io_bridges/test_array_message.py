"""The array message codec: what it takes, and that anything else is refused by name and never crashes."""

import json

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from io_bridges.array_message import LONGEST_HEADER, REASONS, MessageRefused, decode, encode
from io_bridges.frames import RenderedFrame, Tick

PICTURE = np.arange(4 * 5 * 3, dtype=np.uint8).reshape(4, 5, 3)
GOOD = {"dtype": "uint8", "shape": [4, 5, 3]}


def message(pixels=PICTURE, **keys):
    header = {"dtype": str(pixels.dtype), "shape": pixels.shape, **keys}
    return [json.dumps(header).encode(), pixels.tobytes()]


def refused(parts):
    with pytest.raises(MessageRefused) as caught:
        decode(parts)
    return caught.value.reason


def test_the_message_of_pyzmqs_documentation_is_a_picture():
    decoded = decode(message())
    assert np.array_equal(decoded.rgb(), PICTURE)
    assert decoded.index is None
    assert decoded.captured_at is None


def test_the_pixels_are_the_messages_own_memory_and_read_only():
    parts = message()
    decoded = decode(parts)
    assert np.shares_memory(decoded.rgb(), np.frombuffer(parts[1], np.uint8))
    assert not decoded.pixels.flags.writeable
    assert not decode([parts[0], bytearray(parts[1])]).pixels.flags.writeable


def test_our_further_keys_are_read():
    decoded = decode(message(PICTURE[::-1, :, ::-1], format="bgr", origin="bottom-left", index=7, captured_at=123))
    assert np.array_equal(decoded.rgb(), PICTURE)
    assert (decoded.index, decoded.captured_at) == (7, 123)


def test_imagezmqs_publisher_sends_bgr():
    assert np.array_equal(decode(message(PICTURE[:, :, ::-1], msg="camera 1")).rgb(), PICTURE)


def test_gray_may_have_two_dimensions_and_four_channels_are_rgba():
    gray = PICTURE[:, :, 0]
    assert np.array_equal(decode(message(gray)).rgb()[:, :, 2], gray)
    assert decode(message(np.zeros((4, 5, 4), np.uint8))).format == "rgba"


def test_a_topic_may_come_first():
    assert np.array_equal(decode([b"camera", *message()]).rgb(), PICTURE)


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
def test_each_wrong_field_is_refused_by_its_name(keys, reason):
    assert reason in REASONS
    assert refused([json.dumps(GOOD | keys).encode(), PICTURE.tobytes()]) == reason


@pytest.mark.parametrize(
    "header",
    [
        b"",
        b"[]",
        b"null",
        b"{",
        b"\xff\xfe",
        b"[" * LONGEST_HEADER,
        b'{"a":' * 800,
        b" " * (LONGEST_HEADER + 1),
        json.dumps(GOOD | {"note": "x" * LONGEST_HEADER}).encode(),
    ],
)
def test_a_header_that_is_no_short_json_object_is_refused(header):
    assert refused([header, PICTURE.tobytes()]) == "header"


@pytest.mark.parametrize("count", [0, 1, 4, 9])
def test_another_number_of_parts_is_refused(count):
    assert refused([b"{}"] * count) == "parts"


def test_truncated_pixels_are_refused_with_both_counts():
    with pytest.raises(MessageRefused, match="60 bytes, 59 came"):
        decode([json.dumps(GOOD).encode(), PICTURE.tobytes()[:-1]])


# A busy machine is no failure.
patient = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])

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


@patient
@given(st.lists(headers | st.binary(max_size=200), max_size=4))
def test_random_parts_give_a_picture_or_a_named_refusal(parts):
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


@patient
@given(
    height=st.integers(1, 20),
    width=st.integers(1, 20),
    layout=st.sampled_from([("gray", 1), ("rgb", 3), ("bgr", 3), ("rgba", 4), ("bgra", 4)]),
    cut=st.integers(-3, 3),
)
def test_only_the_exact_byte_count_is_a_picture(height, width, layout, cut):
    name, channels = layout
    size = max(0, height * width * channels + cut)
    header = json.dumps({"dtype": "uint8", "shape": [height, width, channels], "format": name}).encode()
    if size == height * width * channels:
        assert decode([header, bytes(size)]).rgb().shape == (height, width, 3)
    else:
        assert refused([header, bytes(size)]) == "size"


def test_what_is_encoded_is_decoded_and_tells_where_it_came_from():
    frame = RenderedFrame(PICTURE, index=41, source_index=12, captured_at=999, revision=3)
    parts = encode(frame, Tick(index=50, at=0, repeated=True), PICTURE)
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
    assert np.array_equal(decoded.rgb(), PICTURE)
    assert (decoded.index, decoded.captured_at) == (41, 999)
