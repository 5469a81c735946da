"""JSON header of a message of the renderer link: written, read, and each of its values checked.

Every function that reads raises `RendererError` for a value that is missing or malformed.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias, TypeGuard

import numpy as np
from numpy.typing import NDArray

from presets.errors import ModelError, RendererError
from presets.vocabulary import Vocabulary

Part: TypeAlias = bytes | memoryview
"""One part of a ZeroMQ message."""
Header: TypeAlias = Mapping[str, Any]

LARGEST = 2**63 - 1


def encode_header(kind: str, /, **values: object) -> bytes:
    """Return the header of a message of this type."""
    return json.dumps({"type": kind, **values}).encode()


def decode_header(parts: Sequence[Part]) -> Header:
    """Read the header, which is the first part."""
    try:
        header = json.loads(bytes(parts[0]) if parts else b"")
    except (ValueError, RecursionError) as error:
        raise RendererError(f"The header is not JSON: {str(error)[:80]}") from error
    if not isinstance(header, dict):
        raise RendererError(f"The header must be an object, it is a {type(header).__name__}.")
    return header


def text(header: Header, key: str) -> str:
    """Read a text."""
    value = header.get(key)
    if not _is_text(value):
        raise _malformed(key, "a text", value)
    return value


def choice(header: Header, key: str, choices: Sequence[Any]) -> Any:
    """Read one of these texts."""
    value = header.get(key)
    if not isinstance(value, str) or value not in choices:
        raise _malformed(key, f"one of {', '.join(choices)}", value)
    return value


def whole(header: Header, key: str, least: int, most: int = LARGEST) -> int:
    """Read a whole number within these limits."""
    value = header.get(key)
    if type(value) is not int or not least <= value <= most:
        raise _malformed(key, f"a whole number from {least} to {most}", value)
    return value


def truth(header: Header, key: str) -> bool:
    """Read true or false."""
    value = header.get(key)
    if not isinstance(value, bool):
        raise _malformed(key, "true or false", value)
    return value


def number(header: Header, key: str, least: float, most: float) -> float:
    """Read a number within these finite limits."""
    value = header.get(key)
    if not isinstance(value, int | float) or isinstance(value, bool) or not least <= value <= most:
        raise _malformed(key, f"a number from {least:g} to {most:g}", value)
    return float(value)


def model(header: Header) -> tuple[dict[str, str], Vocabulary | None]:
    """Read the description of a model: texts by name, and the words that it knows."""
    values, vocabulary = header.get("values"), header.get("vocabulary")
    if not isinstance(values, dict) or not all(map(_is_text, (*values, *values.values()))):
        raise _malformed("values", "texts by name", values)
    try:
        return values, None if vocabulary is None else Vocabulary.from_json(vocabulary, "vocabulary")
    except ModelError as error:
        raise RendererError(str(error)) from error


def pixels(header: Header, part: Part) -> NDArray[np.uint8]:
    """Return a read-only view [H, W, 3] into the part that carries the pixels."""
    shape = header.get("shape")
    if not (isinstance(shape, list) and len(shape) == 3 and all(type(side) is int and side > 0 for side in shape)):
        raise _malformed("shape", "three whole numbers", shape)
    flat = np.frombuffer(part, dtype=np.uint8)
    if shape[2] != 3 or flat.size != shape[0] * shape[1] * 3:
        raise RendererError(f"{flat.size} bytes are no picture of shape {shape!r}.")
    flat.flags.writeable = False
    return flat.reshape(shape)


def _is_text(value: object) -> TypeGuard[str]:
    """Return True for text that can be written: half of a surrogate pair can't."""
    return isinstance(value, str) and not any("\ud800" <= character <= "\udfff" for character in value)


def _malformed(key: str, expected: str, value: object) -> RendererError:
    return RendererError(f"{key} must be {expected}, it is {repr(value)[:60]}.")
