"""The ZeroMQ array message: a JSON part with `dtype` and `shape`, then the pixel buffer, as pyzmq's docs define it.

Optional further keys: `format` (rgb, rgba, bgr, bgra, gray), `origin` (top-left, bottom-left), `white` (the value of
white: 1 for floats, the largest for integers), `index` (a whole number) and `captured_at` (nanoseconds of the sender's
monotonic clock). Unknown keys are ignored. A third part before these two is a topic. imagezmq uses the same layout with
a `msg` key and BGR pixels.

The buffer can be a JPEG or PNG instead, with any header, such as that of imagezmq's `send_jpg`, or without one.

Each field of an incoming message is checked. A message that fails a check is refused whole, by the check that names it.
Specification: https://pyzmq.readthedocs.io/en/latest/howto/serialization.html (numpy arrays).
"""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn, cast

import numpy as np
from numpy.typing import NDArray

from io_bridges.frames import LONGEST_SIDE, Pixels, RenderedFrame, Tick
from io_bridges.matte import AlphaKind, flatten
from io_bridges.packed_image import ImageRefused, is_packed, unpack
from io_bridges.pixel_values import VALUE_TYPES, WHITES, to_uint8
from io_bridges.pixels import CHANNELS, FORMATS, ORIGINS, Format, Origin, read_only, to_rgb, to_rgba
from presets.errors import BridgeError

MAX_HEADER_BYTES = 4096
"""Largest JSON part that is read."""

_MAX_WHOLE = 2**63 - 1


class MessageRefused(BridgeError):
    """An array message that is not a frame. `reason` is one of `REASONS`, for counting."""

    def __init__(self, reason: str, sentence: str) -> None:
        super().__init__(sentence)
        self.reason = reason


REASONS = ("parts", "header", "dtype", "shape", "format", "origin", "white", "size", "image", "index", "captured_at")
"""Every reason for refusing a message."""


@dataclass(frozen=True, slots=True)
class ArrayMessage:
    """A decoded message. Nothing has been copied yet."""

    pixels: NDArray[Any]
    """Values [H, W, C] in the sender's type and layout, or uint8 [bytes] of a JPEG or PNG: a read-only view of the
    message's memory."""
    format: Format | None
    """Order of the channels, or None for a JPEG or PNG."""
    origin: Origin
    white: float
    """Value of white in `pixels`."""
    index: int | None
    """Frame number of the sender, or None."""
    captured_at: int | None
    """Nanoseconds on the sender's clock, or None."""

    def rgb(self) -> Pixels:
        """Return RGB uint8 [H, W, 3], top-left origin, read-only. Copies only if the message has another layout.

        Raises:
            MessageRefused: a JPEG or PNG is damaged or too large.
        """
        if self.format is not None:
            return to_rgb(to_uint8(self.pixels, self.white), self.format, self.origin)
        try:
            return to_rgb(unpack(self.pixels.data), "rgb", self.origin)
        except ImageRefused as error:
            raise MessageRefused("image", str(error)) from error

    def picture(self, alpha: AlphaKind) -> Pixels:
        """Return what `rgb` does, with transparent pixels over black, or RGBA [H, W, 4] if alpha is kept.

        The alpha of a JPEG or PNG is left out.
        """
        if alpha == "ignore" or self.format not in ("rgba", "bgra"):
            return self.rgb()
        return read_only(flatten(to_rgba(to_uint8(self.pixels, self.white), self.format, self.origin), alpha=alpha))


Part = bytes | bytearray | memoryview


def decode(parts: Sequence[Part]) -> ArrayMessage:
    """Decode a message of one to three parts: the buffer, the JSON part before it, a topic before that.

    Only a JPEG or PNG can be alone. Raises `MessageRefused` and nothing else.
    """
    data = memoryview(parts[-1]).cast("B") if parts else memoryview(b"")
    packed = is_packed(data)
    if len(parts) not in ((1, 2, 3) if packed else (2, 3)):
        _refuse("parts", f"an array message has a JSON part and a pixel part; this message has {len(parts)} parts")
    header = _decode_header(parts[-2]) if len(parts) > 1 else {}
    origin = header.get("origin", "top-left")
    if origin not in ORIGINS:
        _refuse("origin", f"origin must be one of {', '.join(ORIGINS)}, not {_shorten(origin)}")
    pixels, format_, white = _decode_pixels(header, data, packed)
    return ArrayMessage(
        pixels=pixels,
        format=format_,
        origin=cast(Origin, origin),
        white=white,
        index=_decode_whole(header, "index"),
        captured_at=_decode_whole(header, "captured_at"),
    )


def encode(frame: RenderedFrame, tick: Tick, pixels: Pixels) -> tuple[bytes, memoryview]:
    """Return the two parts of a rendered frame [H, W, 3]. The second part is the memory of `pixels` itself."""
    header = {
        "dtype": "uint8",
        "shape": pixels.shape,
        "format": "rgb",
        "origin": "top-left",
        "index": frame.index,
        "tick": tick.index,
        "at": tick.at,
        "captured_at": frame.captured_at,
        "revision": frame.revision,
        "source_index": frame.source_index,
        "repeated": tick.repeated,
    }
    return json.dumps(header, separators=(",", ":")).encode(), pixels.data


def _decode_pixels(
    header: Mapping[str, Any], data: memoryview, packed: bool
) -> tuple[NDArray[Any], Format | None, float]:
    """Return values, format and white of the buffer. `packed` is True if it begins like a JPEG or PNG."""
    image = read_only(np.frombuffer(data, np.uint8))
    shape = header.get("shape")
    if packed and (not isinstance(shape, list) or len(shape) < 2):
        return image, None, WHITES["uint8"]
    dtype = VALUE_TYPES.get(header["dtype"]) if isinstance(header.get("dtype"), str) else None
    if dtype is None:
        _refuse("dtype", f"dtype must be one of {', '.join(WHITES)}, not {_shorten(header.get('dtype'))}")
    height, width, channels = _decode_shape(shape)
    expected = height * width * channels * dtype.itemsize
    if data.nbytes != expected:
        if packed:  # a JPEG with the shape of the picture in it
            return image, None, WHITES["uint8"]
        _refuse("size", f"a frame of {width}x{height}x{channels} {dtype.name} has {expected} bytes, not {data.nbytes}")
    values = read_only(np.frombuffer(data, dtype).reshape(height, width, channels))
    return values, _decode_format(header, channels), _decode_white(header, dtype.name)


def _decode_white(header: Mapping[str, Any], dtype: str) -> float:
    white = header.get("white", WHITES[dtype])
    # True is no number, and a white near 0 or infinity leaves no picture.
    if type(white) not in (int, float) or not 1e-6 <= white <= 1e9:
        _refuse("white", f"white must be a number from 0.000001 to 1000000000, not {_shorten(white)}")
    return float(white)


def _decode_header(part: Part) -> Mapping[str, Any]:
    size = memoryview(part).nbytes
    if size > MAX_HEADER_BYTES:
        _refuse("header", f"the JSON part has {size} bytes; the limit is {MAX_HEADER_BYTES}")
    try:
        header = json.loads(bytes(part))
    except (ValueError, RecursionError):  # Not UTF-8, not JSON, or nested too deep.
        header = None
    if not isinstance(header, dict):
        _refuse("header", "the first part must be a JSON object with dtype and shape")
    return header


def _decode_shape(shape: object) -> tuple[int, int, int]:
    """Return height, width and channels. A shape of two numbers has one channel."""
    if not isinstance(shape, list) or len(shape) not in (2, 3) or any(type(length) is not int for length in shape):
        _refuse("shape", f"shape must be [height, width] or [height, width, channels], not {_shorten(shape)}")
    height, width = shape[:2]
    channels = shape[2] if len(shape) == 3 else 1
    if not (1 <= height <= LONGEST_SIDE and 1 <= width <= LONGEST_SIDE):
        _refuse("shape", f"height and width must be 1 to {LONGEST_SIDE} pixels; the shape is {_shorten(shape)}")
    if channels not in (1, 3, 4):
        _refuse("shape", f"a frame must have 1, 3 or 4 channels; the shape is {_shorten(shape)}")
    return height, width, channels


def _decode_format(header: Mapping[str, Any], channels: int) -> Format:
    # A `msg` key marks imagezmq, which sends the channel order of OpenCV.
    order: dict[int, Format] = {1: "gray", 3: "rgb", 4: "rgba"}
    if "msg" in header:
        order |= {3: "bgr", 4: "bgra"}
    format_ = header.get("format", order[channels])
    if format_ not in FORMATS:
        _refuse("format", f"format must be one of {', '.join(FORMATS)}, not {_shorten(format_)}")
    if CHANNELS[format_] != channels:
        _refuse("format", f"{format_} has {CHANNELS[format_]} channels, but the shape has {channels}")
    return cast(Format, format_)


def _decode_whole(header: Mapping[str, Any], key: str) -> int | None:
    value = header.get(key)
    if value is None:
        return None
    # Some senders count in floats. True, NaN and texts are not numbers.
    if isinstance(value, float) and math.isfinite(value):
        value = int(value)
    if type(value) is not int or not 0 <= value <= _MAX_WHOLE:
        _refuse(key, f"{key} must be a whole number from 0 up, not {_shorten(value)}")
    return value


def _shorten(value: object) -> str:
    return repr(value)[:80]


def _refuse(reason: str, sentence: str) -> NoReturn:
    raise MessageRefused(reason, sentence)
