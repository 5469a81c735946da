"""The array message codec: what it accepts, and that it refuses everything else by name."""

import contextlib
import json
import struct
import warnings

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from io_bridges.array_message import MAX_HEADER_BYTES, REASONS, MessageRefused, decode, encode
from io_bridges.card import draw_card
from io_bridges.frames import RenderedFrame, Tick

PIXELS = np.arange(4 * 5 * 3, dtype=np.uint8).reshape(4, 5, 3)
GOOD = {"dtype": "uint8", "shape": [4, 5, 3]}


def message(pixels=PIXELS, **keys):
    header = {"dtype": str(pixels.dtype), "shape": pixels.shape, **keys}
    return [json.dumps(header).encode(), pixels.tobytes()]


def refused(parts):
    with pytest.raises(MessageRefused) as caught:
        decode(parts).rgb()
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


def test_alpha_is_kept_where_it_is_wanted():
    layer = np.dstack([PIXELS, PIXELS[:, :, 0]])
    assert np.array_equal(decode(message(layer)).picture("keep"), layer)
    turned = decode(message(layer[::-1, :, [2, 1, 0, 3]], format="bgra", origin="bottom-left"))
    assert np.array_equal(turned.picture("keep"), layer)
    assert np.array_equal(turned.picture("ignore"), PIXELS)
    over_black = np.rint(PIXELS * (layer[:, :, 3:] / 255))
    assert np.abs(decode(message(layer)).picture("straight") - over_black).max() <= 1
    assert np.array_equal(decode(message(PIXELS)).picture("keep"), PIXELS), "it has no alpha"


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", "<f4", ">f4", ">f8"])
def test_floats_are_white_at_one(dtype):
    """TouchDesigner's numpyArray() is float32 RGBA in 0 to 1, bottom row first."""
    values = (np.dstack([PIXELS, PIXELS[:, :, :1]]) / 255).astype(dtype)[::-1]
    parts = [json.dumps({"dtype": dtype, "shape": values.shape, "origin": "bottom-left"}).encode(), values.tobytes()]
    assert np.array_equal(decode(parts).rgb(), PIXELS)


def test_float_values_are_clamped():
    values = np.array([[[-3, 0.5, 7]], [[np.nan, np.inf, -np.inf]]], np.float32)
    drawn = decode(message(values)).rgb()
    assert drawn[0, 0].tolist() == [0, 128, 255]
    assert drawn[1, 0].tolist() == [0, 255, 0]


def test_16_bit_and_white():
    assert np.array_equal(decode(message(PIXELS.astype(np.uint16) * 257)).rgb(), PIXELS)
    assert np.array_equal(decode(message(PIXELS.astype(np.float32), white=255)).rgb(), PIXELS)
    assert np.array_equal(decode(message(PIXELS.astype(np.uint16) * 4, white=1020)).rgb(), PIXELS)
    assert decode(message(PIXELS // 2, white=127)).rgb().max() == round(59 // 2 * 255 / 127)


@pytest.mark.parametrize("white", [0, -1, True, "1", None, 1e300, float("nan"), [1]])
def test_senseless_white_is_refused(white):
    assert refused(message(white=white)) == "white"


def test_unaligned_floats():
    values = (PIXELS / 255).astype(np.float32)
    data = memoryview(b"x" + values.tobytes())[1:]
    assert np.array_equal(decode([message(values)[0], data]).rgb(), PIXELS)


def packed(suffix, pixels):
    return cv2.imencode(suffix, pixels[:, :, ::-1])[1].tobytes()


@pytest.mark.parametrize(
    "header",
    [
        {"msg": "camera 1"},  # imagezmq's send_jpg
        {"dtype": "uint8", "shape": [321]},  # an array of the JPEG's bytes
        {"dtype": "uint8", "shape": [96, 128, 3]},
        {},
        None,
    ],
)
@pytest.mark.parametrize("suffix", [".jpg", ".png"])
def test_packed_pictures(header, suffix):
    card = draw_card(3, 128, 96)
    data = packed(suffix, card)
    drawn = decode([data] if header is None else [json.dumps(header).encode(), data]).rgb()
    assert not drawn.flags.writeable
    if suffix == ".png":
        assert np.array_equal(drawn, card)
    assert np.abs(drawn.astype(int) - card).mean() < 8


def test_raw_pixels_that_begin_like_a_png():
    pixels = np.zeros((4, 5, 3), np.uint8)
    pixels.reshape(-1)[:8] = list(b"\x89PNG\r\n\x1a\n")
    assert np.array_equal(decode(message(pixels)).rgb(), pixels)


def test_damaged_pictures_are_refused():
    card = draw_card(3, 128, 96)
    for suffix in (".jpg", ".png"):
        data = packed(suffix, card)
        for length in (3, 8, 20, 60):
            assert refused([b"{}", data[:length]]) in ("image", "dtype", "header")
    png = bytearray(packed(".png", card))
    png[16:20] = struct.pack(">I", 60_000)
    assert refused([b"{}", png]) == "image"
    jpeg = packed(".jpg", card)
    at = jpeg.index(b"\xff\xc0")
    assert refused([b"{}", jpeg[: at + 5] + b"\xff\xff\xff\xff" + jpeg[at + 9 :]]) == "image"


@given(st.binary(max_size=300), st.sampled_from([b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n"]))
def test_any_packed_bytes_are_answered(data, start):
    with contextlib.suppress(MessageRefused):
        decode([start + data]).rgb()


def test_topic_part_is_skipped():
    assert np.array_equal(decode([b"camera", *message()]).rgb(), PIXELS)


@pytest.mark.parametrize(
    ("keys", "reason"),
    [
        ({"dtype": "complex64"}, "dtype"),
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
    with pytest.raises(MessageRefused, match="60 bytes, not 59"):
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
    parts = encode(frame, Tick(index=50, at=8_000_000, repeated=True), PIXELS)
    header = json.loads(parts[0])
    assert header == {
        "dtype": "uint8",
        "shape": [4, 5, 3],
        "format": "rgb",
        "origin": "top-left",
        "index": 41,
        "tick": 50,
        "at": 8_000_000,
        "captured_at": 999,
        "revision": 3,
        "source_index": 12,
        "repeated": True,
    }
    decoded = decode(parts)
    assert np.array_equal(decoded.rgb(), PIXELS)
    assert (decoded.index, decoded.captured_at) == (41, 999)


def test_float16_with_white_at_65535():
    """The largest float16 is 65504; a sender's own white has become infinity."""
    with np.errstate(all="ignore"):
        values = np.array([[[0, 32768, 65504], [65535, -5, np.nan]]]).astype(np.float16)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        rgb = decode(message(values, white=65535)).rgb()
    assert rgb.tolist() == [[[0, 128, 255], [255, 0, 0]]]
    assert decode(message(values, white=65504)).rgb().tolist() == [[[0, 128, 255], [255, 0, 0]]]
