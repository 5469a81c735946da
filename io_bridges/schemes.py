"""The table of URI schemes: one row for each source and sink, and the options that they take.

To add a bridge, add a row to `SCHEMES`. `io_bridges.bridges` says what the class must look like.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Literal

from io_bridges.frames import LONGEST_SIDE
from io_bridges.lazy_imports import missing_extra

Kind = Literal["source", "sink"]

SMALLEST_SIDE = 16


@dataclass(frozen=True, slots=True)
class Scheme:
    """One kind of source or sink, as it is written on the command line: ``name:location?option=value``."""

    name: str
    """The word before the colon. One name may stand for a source and for a sink, in two rows."""
    kind: Kind
    description: str
    """A phrase for ``doctor`` and the docs."""
    example: str
    """A complete URI. A test makes the bridge from it."""
    target: str
    """The class, as ``module:Class``. The module is imported only when the scheme is used."""
    location: Literal["none", "path", "bind", "connect"]
    """The text after the colon: none, a file or folder, or a ZeroMQ endpoint to bind or to connect to."""
    default: str = ""
    """The location if none is written. Without a default a location must be written."""
    options: tuple[str, ...] = ()
    """Names in `OPTIONS` that the class takes as keyword arguments."""
    package: str = ""
    """Package that the bridge imports and that not every installation has."""
    extra: str = ""
    """The extra of this distribution that installs `package`."""

    def unavailable(self) -> str:
        """Return why the bridge cannot run here and what to do, or an empty string. Imports nothing."""
        return missing_extra(self.package, self.extra) if self.package else ""

    def all_options(self) -> tuple[str, ...]:
        """Return `options`, and for a sink ``size``, which the stage applies by scaling."""
        return ("size", *self.options) if self.kind == "sink" else self.options


SCHEMES: tuple[Scheme, ...] = (
    Scheme(
        name="card",
        kind="source",
        description="an animated test card without symmetry",
        example="card:?size=640x480&fps=30",
        target="io_bridges.builtin_sources:CardSource",
        location="none",
        options=("size", "fps"),
    ),
    Scheme(
        name="file",
        kind="source",
        description="a clip, looped at its own rate, or a still image",
        example="file:clip.mp4?loop=0",
        target="io_bridges.clip_source:ClipSource",
        location="path",
        options=("loop", "fps"),
        package="av",
        extra="video",
    ),
    Scheme(
        name="none",
        kind="source",
        description="no frames: text-to-image",
        example="none:",
        target="io_bridges.builtin_sources:EmptySource",
        location="none",
    ),
    Scheme(
        name="zmq",
        kind="source",
        description="ZeroMQ array messages; senders connect here",
        example="zmq:tcp://127.0.0.1:5555",
        target="io_bridges.zmq_source:BindingZmqSource",
        location="bind",
        default="tcp://127.0.0.1:5555",
    ),
    Scheme(
        name="zmq+connect",
        kind="source",
        description="ZeroMQ array messages from a sender that binds, such as imagezmq",
        example="zmq+connect:tcp://127.0.0.1:5556",
        target="io_bridges.zmq_source:ConnectingZmqSource",
        location="connect",
    ),
    Scheme(
        name="zmq",
        kind="sink",
        description="ZeroMQ array messages; receivers connect here",
        example="zmq:tcp://127.0.0.1:5556",
        target="io_bridges.zmq_sink:BindingZmqSink",
        location="bind",
        default="tcp://127.0.0.1:5556",
    ),
    Scheme(
        name="zmq+connect",
        kind="sink",
        description="ZeroMQ array messages to a receiver that binds",
        example="zmq+connect:tcp://192.168.0.7:5555?size=512x512",
        target="io_bridges.zmq_sink:ConnectingZmqSink",
        location="connect",
    ),
    Scheme(
        name="png",
        kind="sink",
        description="every distinct frame as a numbered PNG in a folder",
        example="png:frames?every=10&max=2000",
        target="io_bridges.png_folder:PngFolder",
        location="path",
        options=("every", "max"),
    ),
)


def schemes(kind: Kind) -> dict[str, Scheme]:
    """Return the rows of one kind by name."""
    return {scheme.name: scheme for scheme in SCHEMES if scheme.kind == kind}


def parse_size(text: str) -> tuple[int, int]:
    """Return width and height in pixels from ``640x480``. Raises `ValueError` that says what is expected."""
    width, cross, height = text.lower().partition("x")
    sides = (width, height)
    if cross and all(side.isascii() and side.isdigit() and len(side) <= 5 for side in sides):
        size = int(width), int(height)
        if all(SMALLEST_SIDE <= side <= LONGEST_SIDE for side in size):
            return size
    raise ValueError(f"WIDTHxHEIGHT such as 640x480, each {SMALLEST_SIDE} to {LONGEST_SIDE} pixels")


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
"""Reader of each option: it returns the value of a text, or raises `ValueError` that says what is expected."""
