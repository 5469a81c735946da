"""From a URI on the command line to a bridge: ``scheme:place?option=value&option=value``.

The options stand after the last ``?``, so a path that has one itself ends in another: ``file:what?.mp4?``. The place
is taken as it is written, without percent-decoding: it is a path of this machine or a ZeroMQ endpoint.
"""

import importlib
import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, cast

from io_bridges.bridges import Sink, Source
from io_bridges.opencv_import import LONGEST_SIDE
from io_bridges.schemes import Kind, Scheme, schemes
from presets.errors import BridgeUnavailable, SettingsError

SMALLEST_SIDE = 16


@dataclass(frozen=True, slots=True)
class BridgeUri:
    """A URI that was understood."""

    text: str
    scheme: Scheme
    place: str
    """A path or an address; may be empty where the scheme allows it."""
    options: MappingProxyType[str, Any]
    """Checked values by option."""


def make_source(uri: str) -> Source:
    """The source a URI names, not opened yet.

    Raises `SettingsError` for a URI that can't be meant, `BridgeUnavailable` for one that can't run here.
    """
    parsed = parse(uri, "source")
    return cast(Source, _load(parsed)(parsed.place, **parsed.options))


def make_sink(uri: str) -> Sink:
    """The sink a URI names, not opened yet; errors as with `make_source`."""
    parsed = parse(uri, "sink")
    options = {name: value for name, value in parsed.options.items() if name != "size"}
    return cast(Sink, _load(parsed)(parsed.place, **options))


def sink_size(uri: str) -> tuple[int, int] | None:
    """Width and height in pixels that a sink's ``?size=`` asks for, or None: as rendered."""
    return parse(uri, "sink").options.get("size")


def parse(uri: str, kind: Kind) -> BridgeUri:
    """Take a URI apart and check every word of it; imports nothing. Raises `SettingsError`."""
    known = schemes(kind)
    name, colon, rest = uri.partition(":")
    scheme = known.get(name.lower())
    if scheme is None or (not colon and scheme.place == "required"):
        hint = f" Did you mean file:{uri}?" if kind == "source" and Path(uri).is_file() else ""
        raise SettingsError(
            f"{uri!r} names no {kind}: it should start with one of {', '.join(f'{each}:' for each in known)}.{hint}"
        )
    place, question, query = rest.rpartition("?")
    if not question:
        place, query = rest, ""
    if place and scheme.place == "none":
        raise SettingsError(f"{uri!r}: nothing stands between {scheme.name}: and its options, as in {scheme.example}")
    if not place and scheme.place == "required":
        raise SettingsError(f"{uri!r}: something is missing after the colon, as in {scheme.example}")
    return BridgeUri(uri, scheme, place, MappingProxyType(_options(uri, scheme, query)))


def parse_size(text: str) -> tuple[int, int]:
    """Width and height in pixels from ``640x480``; raises `ValueError` with what is expected."""
    width, cross, height = text.lower().partition("x")
    sides = (width, height)
    if cross and all(side.isascii() and side.isdigit() and len(side) <= 5 for side in sides):
        size = int(width), int(height)
        if all(SMALLEST_SIDE <= side <= LONGEST_SIDE for side in size):
            return size
    raise ValueError(f"WIDTHxHEIGHT such as 640x480, each {SMALLEST_SIDE} to {LONGEST_SIDE} pixels")


def _options(uri: str, scheme: Scheme, query: str) -> dict[str, Any]:
    options: dict[str, Any] = {}
    for pair in filter(None, query.split("&")):
        name, _, value = pair.partition("=")
        if name not in scheme.options:
            takes = ", ".join(scheme.options) or "no options"
            raise SettingsError(f"{uri!r}: {scheme.name}: has no option {name!r}; it takes {takes}")
        if name in options:
            raise SettingsError(f"{uri!r}: {name} stands there twice")
        try:
            options[name] = OPTIONS[name](value)
        except ValueError as error:
            raise SettingsError(f"{uri!r}: {name} takes {error}, not {value!r}") from error
    return options


def _load(parsed: BridgeUri) -> Callable[..., object]:
    scheme = parsed.scheme
    module, _, name = scheme.target.partition(":")
    try:
        loaded = importlib.import_module(module)
    except ImportError as error:
        raise BridgeUnavailable(scheme.unavailable() or f"{scheme.name}: can't run here: {error}") from error
    return cast(Callable[..., object], getattr(loaded, name))


def _number(low: float, high: float) -> Callable[[str], float]:
    def read(text: str) -> float:
        try:
            number = float(text)
        except ValueError:
            number = math.nan
        if low <= number <= high:
            return number
        raise ValueError(f"a number from {low:g} to {high:g}")

    return read


def _whole(low: int, high: int) -> Callable[[str], int]:
    def read(text: str) -> int:
        if text.isascii() and text.isdigit() and len(text) <= len(str(high)) and low <= int(text) <= high:
            return int(text)
        raise ValueError(f"a whole number from {low} to {high}")

    return read


def _switch(text: str) -> bool:
    words = {"1": True, "on": True, "yes": True, "true": True, "0": False, "off": False, "no": False, "false": False}
    if text.lower() not in words:
        raise ValueError("1 or 0")
    return words[text.lower()]


OPTIONS: MappingProxyType[str, Callable[[str], Any]] = MappingProxyType(
    {
        "size": parse_size,
        "fps": _number(0.1, 240),
        "loop": _switch,
        "every": _whole(1, 1_000_000),
        "max": _whole(1, 1_000_000),
    }
)
"""How each option is read: from its text to a value, or a `ValueError` with what is expected."""
