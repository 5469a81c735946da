"""The array message of pyzmq's documentation, as frames: a JSON part with `dtype` and `shape`, then the buffer.

Further keys, all optional: `format` (rgb, rgba, bgr, bgra, gray), `origin` (top-left, bottom-left), `index` (a whole
number) and `captured_at` (ns of the sender's monotonic clock). Unknown keys are left alone. A third part before these
two is a topic. imagezmq's publisher speaks the same with a `msg` key and BGR pixels.

What comes is checked field by field, and a message that does not fit is refused whole, by the check that names it.
Specification: https://pyzmq.readthedocs.io/en/latest/howto/serialization.html (numpy arrays).
"""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn, cast

import numpy as np

from io_bridges.frames import Pixels, RenderedFrame, Tick
from io_bridges.opencv_import import LONGEST_SIDE
from io_bridges.pixels import CHANNELS, FORMATS, ORIGINS, Format, Origin, sealed, to_rgb
from presets.errors import BridgeError

LONGEST_HEADER = 4096
"""Bytes of the JSON part."""

_DTYPES = ("uint8", "|u1", "u1")
_LARGEST_WHOLE = 2**63 - 1


class MessageRefused(BridgeError):
    """An array message that is not a picture; `reason` is one word of a short list, to count by."""

    def __init__(self, reason: str, sentence: str) -> None:
        super().__init__(sentence)
        self.reason = reason


REASONS = ("parts", "header", "dtype", "shape", "format", "origin", "size", "index", "captured_at")
"""Every reason for which a message is refused."""


@dataclass(frozen=True, slots=True)
class ArrayMessage:
    """A message that is a picture. Nothing has been copied yet."""

    pixels: Pixels
    """uint8 [H, W, C] as it was sent: a read-only view of the message's own memory."""
    format: Format
    origin: Origin
    index: int | None
    """The sender's count, or None."""
    captured_at: int | None
    """Nanoseconds on the sender's clock, or None."""

    def rgb(self) -> Pixels:
        """RGB [H, W, 3], top-left origin, read-only; the message's own memory where it is that already."""
        return to_rgb(self.pixels, self.format, self.origin)


Part = bytes | bytearray | memoryview


def decode(parts: Sequence[Part]) -> ArrayMessage:
    """The picture of a message of two parts, or three with a topic first. Raises `MessageRefused`, nothing else."""
    if len(parts) not in (2, 3):
        _refuse("parts", f"an array message has a JSON part and a pixel part, {len(parts)} parts came")
    header = _header(parts[-2])
    if header.get("dtype") not in _DTYPES:
        _refuse("dtype", f"dtype must be uint8, not {_shown(header.get('dtype'))}")
    height, width, channels = _shape(header.get("shape"))
    format_ = _format(header, channels)
    origin = header.get("origin", "top-left")
    if origin not in ORIGINS:
        _refuse("origin", f"origin must be one of {', '.join(ORIGINS)}, not {_shown(origin)}")
    size = memoryview(parts[-1]).nbytes
    if size != height * width * channels:
        _refuse("size", f"a picture of {width}x{height}x{channels} has {height * width * channels} bytes, {size} came")
    return ArrayMessage(
        pixels=sealed(np.frombuffer(parts[-1], np.uint8).reshape(height, width, channels)),
        format=format_,
        origin=cast(Origin, origin),
        index=_whole(header, "index"),
        captured_at=_whole(header, "captured_at"),
    )


def encode(frame: RenderedFrame, tick: Tick, pixels: Pixels) -> tuple[bytes, memoryview]:
    """The two parts of a rendered picture [H, W, 3]; the second is the memory of `pixels` itself."""
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


def _header(part: Part) -> Mapping[str, Any]:
    size = memoryview(part).nbytes
    if size > LONGEST_HEADER:
        _refuse("header", f"the JSON part has {size} bytes, at most {LONGEST_HEADER} are read")
    try:
        header = json.loads(bytes(part))
    except (ValueError, RecursionError):  # not UTF-8, not JSON, or nested past what can be walked
        header = None
    if not isinstance(header, dict):
        _refuse("header", "the first part is not a JSON object with dtype and shape")
    return header


def _shape(shape: object) -> tuple[int, int, int]:
    """Height, width and channels; a picture of two dimensions has one channel."""
    if not isinstance(shape, list) or len(shape) not in (2, 3) or any(type(length) is not int for length in shape):
        _refuse("shape", f"shape must be [height, width] or [height, width, channels], not {_shown(shape)}")
    height, width = shape[:2]
    channels = shape[2] if len(shape) == 3 else 1
    if not (1 <= height <= LONGEST_SIDE and 1 <= width <= LONGEST_SIDE):
        _refuse("shape", f"a side has 1 to {LONGEST_SIDE} pixels, the shape is {_shown(shape)}")
    if channels not in (1, 3, 4):
        _refuse("shape", f"a picture has 1, 3 or 4 channels, the shape is {_shown(shape)}")
    return height, width, channels


def _format(header: Mapping[str, Any], channels: int) -> Format:
    # imagezmq names its pictures in `msg` and sends them as OpenCV has them.
    order: dict[int, Format] = {1: "gray", 3: "rgb", 4: "rgba"}
    if "msg" in header:
        order |= {3: "bgr", 4: "bgra"}
    format_ = header.get("format", order[channels])
    if format_ not in FORMATS:
        _refuse("format", f"format must be one of {', '.join(FORMATS)}, not {_shown(format_)}")
    if CHANNELS[format_] != channels:
        _refuse("format", f"{format_} has {CHANNELS[format_]} channels, the shape says {channels}")
    return cast(Format, format_)


def _whole(header: Mapping[str, Any], key: str) -> int | None:
    value = header.get(key)
    if value is None:
        return None
    # Senders that count in floats are understood; true, NaN and words are not numbers.
    if isinstance(value, float) and math.isfinite(value):
        value = int(value)
    if type(value) is not int or not 0 <= value <= _LARGEST_WHOLE:
        _refuse(key, f"{key} must be a whole number from 0 up, not {_shown(value)}")
    return value


def _shown(value: object) -> str:
    return repr(value)[:80]  # the header is short, but a log line should be shorter


def _refuse(reason: str, sentence: str) -> NoReturn:
    raise MessageRefused(reason, sentence)
