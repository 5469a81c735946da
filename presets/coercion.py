"""Coercion of the values that control surfaces send: converted and clamped, or refused with a sentence.

Ints, floats, doubles, bools and numeric strings all arrive where a float is meant, and some controllers turn every
number into a float. A performer's fader must work with each of them.
"""

import math
import re
from collections.abc import Callable, Sequence
from difflib import get_close_matches
from unicodedata import category

from presets.errors import ParameterRefused

_NO_TEXT = frozenset({"Cc", "Cs", "Cn", "Zl", "Zp"})
"""Unicode categories that are replaced in a prompt: controls, surrogates, line ends. Emoji need the joiners."""
_TRUE = frozenset({"1", "true", "on", "yes"})
_FALSE = frozenset({"0", "false", "off", "no"})


MOST_LISTED = 12
"""Choices that a refusal lists. Of more it names the nearest."""


def as_number(value: object) -> float:
    """Return a finite float from a number, a bool or a numeric string. Raises `ParameterRefused`."""
    if isinstance(value, str | int | float):  # bool is an int
        try:
            number = float(value)
        except (ValueError, OverflowError):
            number = math.nan
        if math.isfinite(number):
            return number
    raise ParameterRefused(f"a number is expected, not {_shown(value)}")


def float_coercer(minimum: float | None, maximum: float | None) -> Callable[[object], float]:
    """Return a coercer that clamps to the closed range."""
    low = -math.inf if minimum is None else float(minimum)
    high = math.inf if maximum is None else float(maximum)

    def coerce(value: object) -> float:
        return min(max(as_number(value), low), high)

    return coerce


def int_coercer(minimum: float | None, maximum: float | None, multiple_of: int | None) -> Callable[[object], int]:
    """Return a coercer that rounds to the nearest whole number (or multiple) and clamps to the closed range."""
    step = multiple_of or 1
    low = None if minimum is None else math.ceil(minimum / step) * step
    high = None if maximum is None else math.floor(maximum / step) * step

    def coerce(value: object) -> int:
        # An int is rounded without float, in which a large one from the wire would overflow.
        exact = (2 * value + step) // (2 * step) if type(value) is int else round(as_number(value) / step)
        whole = exact * step
        if low is not None and whole < low:
            return low
        return high if high is not None and whole > high else whole

    return coerce


def as_bool(value: object) -> bool:
    """Return True for a number of 0.5 or more, True, or one of the usual words. Raises `ParameterRefused`."""
    if isinstance(value, bool):
        return value
    if isinstance(value, str) and value.strip().lower() in _TRUE | _FALSE:
        return value.strip().lower() in _TRUE
    return as_number(value) >= 0.5


def text_coercer(longest: int, shortest: int = 0) -> Callable[[object], str]:
    """Return a coercer to text of at most `longest` characters. It refuses one shorter than `shortest`.

    A number becomes its digits, control characters become spaces.
    """

    def coerce(value: object) -> str:
        if isinstance(value, bool) or not isinstance(value, str | int | float):
            raise ParameterRefused(f"text is expected, not {_shown(value)}")
        if isinstance(value, int) and value.bit_length() > 64:  # Python refuses to print longer ones
            raise ParameterRefused(f"text is expected, not a number of {value.bit_length()} bits")
        text = "".join(" " if category(character) in _NO_TEXT else character for character in str(value)[:longest])
        text = text.strip()
        if len(text) < shortest:
            raise ParameterRefused("a text that is not empty is expected")
        return text

    return coerce


def name_coercer(pattern: str) -> Callable[[object], str]:
    """Return a coercer to a name of this form, which no path has. It refuses all others."""
    form = re.compile(pattern)

    def coerce(value: object) -> str:
        name = value.strip() if isinstance(value, str) else None
        if name is None or not form.fullmatch(name):
            raise ParameterRefused(f"a name of letters, digits, _ and - is expected, and no path; not {_shown(value)}")
        return name

    return coerce


def choice_coercer(choices: tuple[str, ...]) -> Callable[[object], str]:
    """Return a coercer to one of the choices, by name in any case or by place from 0, as a menu's fader sends."""

    def coerce(value: object) -> str:
        if isinstance(value, str) and value.strip().lower() in choices:
            return value.strip().lower()
        try:
            place = round(as_number(value))
        except ParameterRefused:
            place = -1
        if 0 <= place < len(choices):
            return choices[place]
        raise ParameterRefused(f"{expected_choice(choices, value)} is expected, not {_shown(value)}")

    return coerce


def expected_choice(choices: Sequence[str], value: object) -> str:
    """Return "one of" these choices as a phrase, or the nearest ones if there are too many to read."""
    if len(choices) <= MOST_LISTED:
        return f"one of {', '.join(choices)}"
    near = get_close_matches(value[:100].lower(), choices, n=3, cutoff=0.4) if isinstance(value, str) else ()
    return f"one of {len(choices)} names, such as {', '.join(near or choices[1:4])},"


def _shown(value: object) -> str:
    # Cut before repr: a megabyte from the wire must not become a megabyte in the log.
    if isinstance(value, str | bytes):
        return repr(value[:60])
    return str(value) if isinstance(value, float) else type(value).__name__
