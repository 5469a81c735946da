"""The ZeroMQ array message: a JSON part with `dtype` and `shape`, then the pixel buffer, as pyzmq's docs define it.

Optional further keys: `format` (rgb, rgba, bgr, bgra, gray), `origin` (top-left, bottom-left), `index` (a whole number)
and `captured_at` (nanoseconds of the sender's monotonic clock). Unknown keys are ignored. A third part before these two
is a topic. The publisher of imagezmq uses the same layout with a `msg` key and BGR pixels.

Each field of an incoming message is checked. A message that fails a check is refused whole, by the check that names it.
Specification: https://pyzmq.readthedocs.io/en/latest/howto/serialization.html (numpy arrays).
"""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn, cast

import numpy as np

from io_bridges.frames import LONGEST_SIDE, Pixels, RenderedFrame, Tick
from io_bridges.pixels import CHANNELS, FORMATS, ORIGINS, Format, Origin, read_only, to_rgb
from presets.errors import BridgeError

MAX_HEADER_BYTES = 4096
"""Largest JSON part that is read."""

_DTYPES = ("uint8", "|u1", "u1")
_MAX_WHOLE = 2**63 - 1


class MessageRefused(BridgeError):
    """An array message that is not a frame. `reason` is one of `REASONS`, for counting."""

    def __init__(self, reason: str, sentence: str) -> None:
        super().__init__(sentence)
        self.reason = reason


REASONS = ("parts", "header", "dtype", "shape", "format", "origin", "size", "index", "captured_at")
"""Every reason for refusing a message."""


@dataclass(frozen=True, slots=True)
class ArrayMessage:
    """A decoded message. Nothing has been copied yet."""

    pixels: Pixels
    """uint8 [H, W, C] in the sender's layout: a read-only view of the message's memory."""
    format: Format
    origin: Origin
    index: int | None
    """Frame number of the sender, or None."""
    captured_at: int | None
    """Nanoseconds on the sender's clock, or None."""

    def rgb(self) -> Pixels:
        """Return RGB [H, W, 3], top-left origin, read-only. Copies only if the message has another layout."""
        return to_rgb(self.pixels, self.format, self.origin)


Part = bytes | bytearray | memoryview


def decode(parts: Sequence[Part]) -> ArrayMessage:
    """Decode a message of two parts, or of three with a topic first. Raises `MessageRefused` and nothing else."""
    if len(parts) not in (2, 3):
        _refuse("parts", f"an array message has a JSON part and a pixel part; this message has {len(parts)} parts")
    header = _decode_header(parts[-2])
    if header.get("dtype") not in _DTYPES:
        _refuse("dtype", f"dtype must be uint8, not {_shorten(header.get('dtype'))}")
    height, width, channels = _decode_shape(header.get("shape"))
    format_ = _decode_format(header, channels)
    origin = header.get("origin", "top-left")
    if origin not in ORIGINS:
        _refuse("origin", f"origin must be one of {', '.join(ORIGINS)}, not {_shorten(origin)}")
    size, expected = memoryview(parts[-1]).nbytes, height * width * channels
    if size != expected:
        _refuse("size", f"a frame of {width}x{height}x{channels} has {expected} bytes; this one has {size}")
    return ArrayMessage(
        pixels=read_only(np.frombuffer(parts[-1], np.uint8).reshape(height, width, channels)),
        format=format_,
        origin=cast(Origin, origin),
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
        "captured_at": frame.captured_at,
        "revision": frame.revision,
        "source_index": frame.source_index,
        "repeated": tick.repeated,
    }
    return json.dumps(header, separators=(",", ":")).encode(), pixels.data


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
