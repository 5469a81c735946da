"""The options of sources and sinks, ``?name=value``: one reader for each name.

A reader takes the text of a value, and returns the value or raises `ValueError` that says what is expected.
"""

from collections.abc import Callable
from types import MappingProxyType
from typing import Any

from io_bridges.frames import LONGEST_SIDE
from io_bridges.matte import parse_matte
from io_bridges.rates import parse_rate

SMALLEST_SIDE = 16
_FARTHEST = 32_767


def parse_size(text: str) -> tuple[int, int]:
    """Return width and height in pixels from ``640x480``. Raises `ValueError` that says what is expected."""
    width, cross, height = text.lower().partition("x")
    sides = (width, height)
    if cross and all(side.isascii() and side.isdigit() and len(side) <= 5 for side in sides):
        size = int(width), int(height)
        if all(SMALLEST_SIDE <= side <= LONGEST_SIDE for side in size):
            return size
    raise ValueError(f"WIDTHxHEIGHT such as 640x480, each {SMALLEST_SIDE} to {LONGEST_SIDE} pixels")


def parse_region(text: str) -> tuple[int, int, int, int]:
    """Return width, height, left and top in pixels from ``640x480+100+50``. Raises `ValueError`."""
    size, *corner = text.split("+")
    try:
        if len(corner) == 2 and all(each.isascii() and each.isdigit() and len(each) <= 5 for each in corner):
            left, top = (int(each) for each in corner)
            if max(left, top) <= _FARTHEST:
                return (*parse_size(size), left, top)
    except ValueError:
        pass
    raise ValueError("WIDTHxHEIGHT+LEFT+TOP such as 640x480+100+50")


def _rate(text: str) -> float:
    return parse_rate(text, low=0.1)


def _number(low: float, high: float) -> Callable[[str], float]:
    def read(text: str) -> float:
        try:
            number = float(text)
        except ValueError:
            number = float("nan")
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


def _word(*words: str) -> Callable[[str], str]:
    def read(text: str) -> str:
        if text.lower() in words:
            return text.lower()
        raise ValueError(" or ".join(words))

    return read


OPTIONS: MappingProxyType[str, Callable[[str], Any]] = MappingProxyType(
    {
        "size": parse_size,
        "region": parse_region,
        "fps": _rate,
        "speed": _number(0, 10),
        "seed": _whole(0, 2**31 - 1),
        "loop": _switch,
        "matte": parse_matte,
        "alpha": _word("straight", "premultiplied", "ignore", "keep"),
        "flip": _switch,
        "format": _word("ring", "touchdesigner"),
        "socket": _word("sub", "pull", "rep"),
        "every": _whole(1, 1_000_000),
        "max": _whole(1, 1_000_000),
        "codec": _word("h264", "hevc", "prores", "ffv1", "hap"),
        "quality": _whole(1, 100),
        "hardware": _switch,
        "transport": _word("tcp", "udp"),
        "listen": _switch,
        "display": _whole(1, 64),
        "fullscreen": _switch,
        "scale": _word("auto", "lanczos", "linear"),
        "fit": _word("fit", "fill", "stretch"),
    }
)
"""Reader of each option by name."""
