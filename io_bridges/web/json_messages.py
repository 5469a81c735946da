"""JSON messages of the web server: bounded and checked on receipt, always valid when sent."""

import json
import math
from collections.abc import Callable, Mapping, Sequence
from enum import Enum
from typing import TypeAlias

from io_bridges.scheme import Scheme
from io_bridges.schemes import titles
from io_bridges.show_control import ControlReply, FoundSources, ShowControl
from io_bridges.sink_schemes import SINKS
from presets.errors import BridgeError

LONGEST_MESSAGE = 64 * 1024
"""Most bytes of a request body or WebSocket message. A whole preset takes a tenth of it."""

KnownWordsByKind: TypeAlias = Callable[[], Mapping[str, Sequence[str]]]
"""Returns the words that the model knows, by kind; empty if it takes any text."""

Meters: TypeAlias = Callable[[], Mapping[str, float]]
"""Returns the features of the sound that is heard, by name; empty for none."""


class MalformedJson(BridgeError):
    """A message that is not the expected JSON object."""


def decode(text: str | bytes) -> dict[str, object]:
    """Return the JSON object in `text`. Raises `MalformedJson` for anything else, NaN and deep nesting included."""
    try:
        value = json.loads(text, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise MalformedJson(f"a JSON object is expected; this is not JSON: {error}") from None
    if not isinstance(value, dict):
        raise MalformedJson(f"a JSON object is expected, not a {type(value).__name__}")
    return value


def encode(value: object) -> str:
    """Return compact JSON. NaN and infinity become null, objects that JSON does not know become their text."""
    return json.dumps(_plain(value), allow_nan=False, separators=(",", ":"))


def reply_json(reply: ControlReply) -> dict[str, object]:
    """Return a `ControlReply` as a JSON object. `confirm` and `pending` are left out unless they are True."""
    fields = reply._asdict()
    return {key: value for key, value in fields.items() if value or key not in ("confirm", "pending")}


def sources_json(found: FoundSources) -> dict[str, object]:
    """Return the outcome of a search for sources as a JSON object."""
    return {"sources": found.uris, "failures": found.failures}


def declaration(show: ShowControl) -> dict[str, object]:
    """Return every parameter and action what a surface needs to draw them, with the names of sources and sinks, and the
    kinds of sinks.
    """
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
            for parameter in show.parameters.values()
        ],
        "actions": [action._asdict() for action in show.actions.values()],
        "schemes": titles(),
        "sinks": [_sink_kind(scheme) for scheme in SINKS],
    }


def _sink_kind(scheme: Scheme) -> dict[str, object]:
    options = f"; options: {', '.join(scheme.all_options())}"
    return {
        "title": scheme.shown_title(),
        "template": scheme.example,
        "hint": scheme.description + options,
        "problem": scheme.unavailable(),
    }


def status(show: ShowControl) -> dict[str, object]:
    """Return the state of the show with the names of the presets."""
    return {"presets": show.preset_names(), **show.status()}


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
    raise ValueError(f"{name} is not a JSON number")
