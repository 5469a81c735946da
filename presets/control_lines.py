"""The strict reading of the lines of recorded controls, as `presets.taken_message` writes them.

Nothing is coerced, clamped or guessed here: a line that no recording has is refused, with what was expected.
"""

import json
import sys
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from presets.declaration import TRIGGERS
from presets.errors import ParameterRefused
from presets.parameter_table import PARAMETERS, Parameter, Value
from presets.parameters import PROMPTS
from presets.taken_message import (
    FORMAT,
    LOOKS,
    NO_VALUES,
    NS,
    RESTART,
    SINKS,
    TEMPO,
    VERSION,
    ShowStart,
    TakenMessage,
    TempoMark,
)

LONGEST = 1_000_000.0
"""Seconds of the longest recording, to which nanoseconds are exact."""
_LONGEST_SHOW = 1e9
"""Seconds before a recording at which its show may have begun."""
_MOST_BEATS = 1e9
_TEXTS = 1000
"""Characters of the longest sender, and of the path of a preset."""
_ADDRESSES = {*PARAMETERS, *LOOKS, *TEMPO, *SINKS, *TRIGGERS, "/prompt", "/panic", RESTART}
_DEFAULTS = {address: parameter.default for address, parameter in PARAMETERS.items()}
_START = {"values", "preset", "tempo", "began"}


class LineRefused(Exception):
    """A line that no recording has. Its text says what was expected."""


class EndLine(NamedTuple):
    """The last line of a recording that was ended."""

    at: int
    """Nanoseconds since the start of the recording."""
    dropped: int
    """Messages that are missing, because the disk was too slow."""


def read_header(line: bytes) -> tuple[ShowStart, str]:
    """Return the start that the first line describes, and its date. Raises `LineRefused`."""
    fields = _object(line, "a recording of controls")
    if fields.get("format") != FORMAT:
        raise LineRefused(f'a recording of controls is expected, whose first line has "format": "{FORMAT}"')
    if fields.get("version") != VERSION or isinstance(fields["version"], bool):
        raise LineRefused(f"version {VERSION} is expected, not {_shown(fields.get('version'))}")
    _expect_keys(fields, {"format", "version", "date", *_START})
    return _start(fields), _text(fields["date"], "date")


def read_line(line: bytes) -> TakenMessage | EndLine:
    """Return what any later line describes. Raises `LineRefused`."""
    fields = _object(line, "a message")
    at = _nanoseconds(fields.get("time"), "time", LONGEST)
    if at < 0:
        raise LineRefused("time must be 0 or later")
    if "end" in fields:
        _expect_keys(fields, {"time", "end", "dropped"})
        if fields["end"] is not True or type(fields["dropped"]) is not int or fields["dropped"] < 0:
            raise LineRefused("the end has true and the number of dropped messages")
        return EndLine(at, fields["dropped"])
    address = fields.get("address")
    if not isinstance(address, str) or address not in _ADDRESSES:
        raise LineRefused(f"there is no address {_shown(address)} in recordings")
    extra = {"values"} if address in (*LOOKS, "/panic") else {"tempo"} if address in TEMPO else set()
    _expect_keys(fields, {"time", "address", "arguments", "sender", *extra, *({"start"} if address == RESTART else ())})
    return TakenMessage(
        sys.intern(address),
        _arguments(address, fields["arguments"]),
        sys.intern(_text(fields["sender"], "sender")),
        at,
        values=_values(fields["values"], "values") if "values" in extra else NO_VALUES,
        tempo=_tempo(fields["tempo"]) if "tempo" in extra else None,
        start=_inner_start(fields["start"]) if address == RESTART else None,
    )


def _object(line: bytes, what: str) -> dict[str, Any]:
    try:
        fields = json.loads(line.decode(), parse_constant=_refuse_constant, object_pairs_hook=_unique)
    except (ValueError, RecursionError) as error:  # UnicodeDecodeError and JSONDecodeError are ValueErrors
        raise LineRefused(f"{what} is expected, as one line of JSON ({str(error)[:80]})") from error
    if not isinstance(fields, dict):
        raise LineRefused(f"{what} is expected, as a JSON object")
    return fields


def _refuse_constant(name: str) -> float:
    raise LineRefused(f"a finite number is expected, not {name}")


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    fields = dict(pairs)
    if len(fields) != len(pairs):
        raise LineRefused("each key is expected once")
    return fields


def _expect_keys(fields: Mapping[str, Any], expected: set[str]) -> None:
    if fields.keys() == expected:
        return
    if missing := sorted(expected - fields.keys()):
        raise LineRefused(f"{', '.join(missing)} is missing")
    unknown = sorted(fields.keys() - expected)[0]
    raise LineRefused(f"{_shown(unknown)} is no key here; the keys are {', '.join(sorted(expected))}")


def _inner_start(fields: Any) -> ShowStart:
    if not isinstance(fields, dict):
        raise LineRefused("start must be a JSON object")
    _expect_keys(fields, _START)
    return _start(fields)


def _start(fields: Mapping[str, Any]) -> ShowStart:
    preset = fields["preset"]
    if not isinstance(preset, dict):
        raise LineRefused("preset must be a JSON object with name and values")
    _expect_keys(preset, {"name", "values"})
    # A parameter that did not exist yet when this was recorded was as it is by default.
    values = {**_DEFAULTS, **_values(fields["values"], "values")}
    own = _values(preset["values"], "the preset's values")
    return ShowStart(
        values, _text(preset["name"], "name"), own, _tempo(fields["tempo"]), _nanoseconds(fields["began"], "began")
    )


def _arguments(address: str, given: Any) -> tuple[Value, ...]:
    """Return the arguments of a message to an address."""
    if not isinstance(given, list):
        raise LineRefused("arguments must be a list")
    if address in PARAMETERS and address not in LOOKS:
        _expect_count(given, 1)
        return (_value(PARAMETERS[address], given[0]),)
    if address == "/prompt":
        if not given or len(given) % 2 or len(given) > 2 * PROMPTS:
            raise LineRefused(f"arguments must be 1 to {PROMPTS} texts, each with its weight")
        kinds = (PARAMETERS["/prompt/1/text"], PARAMETERS["/prompt/1/weight"])
        return tuple(_value(kinds[place % 2], value) for place, value in enumerate(given))
    _expect_count(given, 1 if address in (*LOOKS, *SINKS) else 0)
    kind = PARAMETERS["/preset" if address in LOOKS else "/source"]
    return tuple(_value(kind, value) for value in given)


def _expect_count(given: Sequence[Any], count: int) -> None:
    if len(given) != count:
        raise LineRefused(f"arguments must hold {count or 'none'}, not {len(given)}")


def _values(given: Any, name: str) -> dict[str, Value]:
    if not isinstance(given, dict):
        raise LineRefused(f"{name} must be a JSON object")
    for address in given:
        if address not in PARAMETERS:
            raise LineRefused(f"there is no parameter {_shown(address)}")
    return {sys.intern(address): _value(PARAMETERS[address], value) for address, value in given.items()}


def _value(parameter: Parameter, given: Any) -> Value:
    """Return a value that the parameter takes as it is."""
    kinds: dict[str, type] = {"float": float, "int": int, "bool": bool}
    kind = kinds.get(parameter.kind, str)
    value = float(given) if kind is float and type(given) is int and abs(given) < 2**53 else given
    if type(value) is kind:
        try:
            if (taken := parameter.coerce(value)) == value:
                return taken
        except ParameterRefused as refusal:
            raise LineRefused(f"{parameter.address}: {refusal}") from refusal
    raise LineRefused(f"{parameter.address} must be {_range(parameter)}, not {_shown(given)}")


def _range(parameter: Parameter) -> str:
    if parameter.kind in ("float", "int") and parameter.minimum is not None:
        kind = "a number" if parameter.kind == "float" else "a whole number"
        limit = "" if parameter.maximum is None else f" to {parameter.maximum:g}"
        return f"{kind} from {parameter.minimum:g}{limit}"
    return {"bool": "true or false", "int": "a whole number", "float": "a number"}.get(
        parameter.kind, "a text as it is taken"
    )


def _tempo(given: Any) -> TempoMark:
    if not isinstance(given, dict):
        raise LineRefused("tempo must be a JSON object with bpm, beats and at")
    _expect_keys(given, {"bpm", "beats", "at"})
    beats = _number(given["beats"], "beats", _MOST_BEATS)
    bpm = _value(PARAMETERS["/bpm"], given["bpm"])
    return TempoMark(_nanoseconds(given["at"], "at"), beats, float(bpm))


def _nanoseconds(given: Any, name: str, most: float = _LONGEST_SHOW) -> int:
    return round(_number(given, name, most) * NS)


def _number(given: Any, name: str, most: float) -> float:
    if type(given) not in (int, float) or abs(given) > most:  # infinity too; no number of JSON is NaN
        raise LineRefused(f"{name} must be a number up to {most:.0f}, not {_shown(given)}")
    return float(given)


def _text(given: Any, name: str) -> str:
    if not isinstance(given, str) or len(given) > _TEXTS:
        raise LineRefused(f"{name} must be a text of at most {_TEXTS} characters")
    return given


def _shown(value: object) -> str:
    return repr(value[:40]) if isinstance(value, str) else repr(value)[:40] if value is not None else "none"
