"""`TakenMessage`: a control message as a show took it, with coerced values. `to_line` writes it as a line of JSON.

`presets.control_lines` reads such lines, and `docs/recorded-controls.md` describes them.
"""

import json
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

from presets.parameter_table import PARAMETERS, Value
from presets.parameters import PROMPTS

NS = 1_000_000_000

FORMAT, VERSION = "streamflow-live controls", 1

NO_VALUES: Mapping[str, Value] = MappingProxyType({})

LOOKS = ("/preset", "/save", "/undo_save")
"""Addresses of the messages that load a preset, or save one. They carry its name and its values."""
TEMPO = ("/bpm", "/tap", "/beat", "/resync")
"""Addresses of the messages that carry the tempo from then on."""
SINKS = ("/sink/add", "/sink/open", "/sink/remove")
RESTART = "/play/controls"
"""Address of the message that sets a whole show to a start."""


class TempoMark(NamedTuple):
    """An instant at which the beats are known, and the tempo from then on."""

    at: int
    """Nanoseconds: on a clock, or since the start of a recording."""
    beats: float
    bpm: float

    def beats_at(self, moment: int) -> float:
        """Return the beats at another instant."""
        return self.beats + (moment - self.at) / NS * self.bpm / 60.0


class ShowStart(NamedTuple):
    """Everything by which a show goes on, at one instant."""

    values: Mapping[str, Value]
    """Values by address, without passwords."""
    preset: str
    """Name of the preset that panic restores."""
    preset_values: Mapping[str, Value]
    tempo: TempoMark
    began: int
    """Instant from which the seconds of LFOs count, in nanoseconds since the start of the recording."""


class TakenMessage(NamedTuple):
    """One message."""

    address: str
    arguments: tuple[Value, ...] = ()
    sender: str = ""
    at: int = 0
    """Nanoseconds since the start of the recording."""
    values: Mapping[str, Value] = NO_VALUES
    """Values of the preset of `LOOKS`, and those that a panic sets."""
    tempo: TempoMark | None = None
    """Only for `TEMPO`."""
    start: ShowStart | None = None
    """Only for `RESTART`."""


def prompt_arguments(values: Mapping[str, Value]) -> tuple[Value, ...]:
    """Return text and weight of each prompt that a ``/prompt`` sets, by the values that it sets."""
    arguments: list[Value] = []
    for place in range(1, PROMPTS + 1):
        if (weight := f"/prompt/{place}/weight") in values:
            arguments += [values[f"/prompt/{place}/text"], values[weight]]
    return tuple(arguments)


def to_line(message: TakenMessage) -> str:
    """Return a message as one line of JSON, with its end."""
    arguments = message.arguments
    if message.address in LOOKS:
        arguments = tuple(PARAMETERS["/preset"].coerce(name) for name in arguments)
    fields: dict[str, Any] = {
        "time": _seconds(message.at),
        "address": message.address,
        "arguments": arguments,
        "sender": message.sender,
    }
    if message.values:
        fields["values"] = _coerced(message.values.items())
    if message.tempo is not None:
        fields["tempo"] = _tempo(message.tempo)
    if message.start is not None:
        fields["start"] = _start(message.start)
    return json.dumps(fields, ensure_ascii=False, allow_nan=False) + "\n"


def to_header(start: ShowStart, date: str) -> str:
    """Return the first line of a recording."""
    fields = {"format": FORMAT, "version": VERSION, "date": date, **_start(start)}
    return json.dumps(fields, ensure_ascii=False, allow_nan=False) + "\n"


def to_end(at: int, dropped: int) -> str:
    """Return the last line of a recording that was ended."""
    return json.dumps({"time": _seconds(at), "end": True, "dropped": dropped}) + "\n"


def _start(start: ShowStart) -> dict[str, Any]:
    return {
        "values": _coerced(start.values.items()),
        "preset": {"name": start.preset[:1000], "values": _coerced(start.preset_values.items())},
        "tempo": _tempo(start.tempo),
        "began": _seconds(start.began),
    }


def _tempo(mark: TempoMark) -> dict[str, float]:
    return {"bpm": mark.bpm, "beats": mark.beats, "at": _seconds(mark.at)}


def _coerced(values: Iterable[tuple[str, Value]]) -> dict[str, Value]:
    """Return values as a reader takes them: a preset's path on the command line may be longer than a name."""
    return {address: PARAMETERS[address].coerce(value) for address, value in values}


def _seconds(nanoseconds: int) -> float:
    return round(nanoseconds / NS, 9)
