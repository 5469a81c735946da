"""JSON as it goes over the web: what comes is bounded and checked, what leaves is always valid JSON."""

import json
import math
from collections.abc import Mapping
from enum import Enum

from io_bridges.show_control import ControlReply, ShowControl
from presets.errors import BridgeError

LONGEST_MESSAGE = 64 * 1024
"""Bytes of one request body or WebSocket message: a whole look is a tenth of it."""


class MalformedJson(BridgeError):
    """A message that is not the JSON object that is expected here."""


def decode(text: str | bytes) -> dict[str, object]:
    """The JSON object in `text`. Raises `MalformedJson` for anything else, NaN and nesting bombs included."""
    try:
        value = json.loads(text, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise MalformedJson(f"a JSON object is expected; this can't be read as JSON: {error}") from None
    if not isinstance(value, dict):
        raise MalformedJson(f"a JSON object is expected, a {type(value).__name__} came")
    return value


def encode(value: object) -> str:
    """Compact JSON of plain values; numbers that JSON has no word for become null, other objects their text."""
    return json.dumps(_plain(value), allow_nan=False, separators=(",", ":"))


def answer_of(answer: ControlReply) -> dict[str, object]:
    """An `ControlReply` as JSON tells it."""
    return answer._asdict()


def declaration(desk: ShowControl) -> dict[str, object]:
    """Every parameter and action as a surface draws them, in the order of the declaration."""
    return {
        "declaration": [
            {
                "address": parameter.address,
                "key": parameter.key,
                "kind": parameter.kind,
                "default": parameter.default,
                "minimum": parameter.minimum,
                "maximum": parameter.maximum,
                "multiple_of": parameter.multiple_of,
                "choices": parameter.choices,
                "unit": parameter.unit,
                "description": parameter.description,
                "effect": parameter.effect.value,
                "group": parameter.group.value,
            }
            for parameter in desk.parameters.values()
        ],
        "actions": [action._asdict() for action in desk.actions.values()],
    }


def status(desk: ShowControl) -> dict[str, object]:
    """The show's state with the names of the looks."""
    return {"looks": desk.looks(), **desk.status()}


def _plain(value: object) -> object:
    if isinstance(value, Enum):
        return _plain(value.value)
    if value is None or isinstance(value, str | int):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(key): _plain(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_plain(entry) for entry in value]
    return str(value)


def _no_constant(name: str) -> object:
    raise ValueError(f"{name} is no JSON number")
