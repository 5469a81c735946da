"""`MidiMapping`: which control of a MIDI device moves which address of the show, and how.

A control is written as ``cc 7``, ``cc14 7`` (a pair of 14 bits with ``cc 39``), ``note 36``, ``bend``, ``program``,
``clock`` or ``start``. ``ch 2`` after it names a channel, from 1 to 16, and ``on NAME`` the device, as ``--midi`` has
it.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Annotated, Literal, NamedTuple, get_args

from pydantic import BaseModel, ConfigDict, Field

from presets.declaration import ACTIONS, NORM
from presets.errors import ParameterRefused
from presets.parameter_table import PARAMETERS, TWINS, Parameter, Value

MidiKind = Literal["cc", "cc14", "note", "bend", "program", "clock", "start"]

LARGEST: Mapping[str, int] = {"cc": 127, "cc14": 31, "note": 127}
"""Largest number of a control, by kind. The other kinds have no number."""
FADERS = ("cc", "cc14", "bend")
"""Kinds that have a place between two ends, and that feedback may move."""
_CLOCK = ("clock", "start")
_WRITTEN = re.compile(r"([a-z0-9]+)(?: +([0-9]{1,3}))?(?: +ch +([0-9]{1,2}))?(?: +on +(\S.*))?", re.IGNORECASE)
_ACTIONS = {action.address: action for action in ACTIONS}


class MidiTrigger(NamedTuple):
    """A control of a device."""

    kind: MidiKind
    number: int = 0
    """Number of a controller or a note; 0 for other kinds."""
    channel: int = 0
    """Channel from 1 to 16; 0 for any."""
    device: str = ""
    """Name of the device, as ``--midi`` has it; empty for any."""

    def __str__(self) -> str:
        number = f" {self.number}" if self.kind in LARGEST else ""
        channel = f" ch {self.channel}" if self.channel else ""
        return f"{self.kind}{number}{channel}" + (f" on {self.device}" if self.device else "")


class MidiTarget(BaseModel):
    """The meaning of a control: an address of the show, and what is sent to it."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    to: str
    """Address of a parameter or an action."""
    value: bool | int | float | str | None = None
    """Value that a press sends."""
    range: Annotated[tuple[float, float], Field(strict=False)] | None = None
    """Values at both ends, in place of the parameter's own limits."""
    hold: bool = False
    """True for a switch that is on while a key is held. Otherwise each press turns it."""

    def arguments(self, kind: MidiKind, share: float, pressed: bool | None) -> tuple[str, list[object]] | None:
        """Return the address and the arguments to send; None if there is nothing to send.

        Args:
            kind: Kind of the control that moved.
            share: Its place between its ends, 0 to 1: of a note its velocity.
            pressed: True for a press, False for a release, None for neither.
        """
        parameter = PARAMETERS.get(self.to)
        if kind == "program" and self.to == "/preset" and self.value is None:
            return self.to, [round(share * 127) + 1]
        if self.value is not None or self.to in _ACTIONS or parameter is None:
            return (self.to, [] if self.value is None else [self.value]) if pressed else None
        if kind == "note" and parameter.kind == "bool":
            if self.hold:
                return self.to, [bool(pressed)]
            return (self.to, [None]) if pressed else None
        if kind == "note" and not pressed:
            return None
        if self.range is not None:
            low, high = self.range
            return self.to, [low + share * (high - low)]
        return self.to + NORM, [share]

    def place(self, value: Value, preset_names: Sequence[str]) -> float | None:
        """Return the place between 0 and 1 that stands for a value of the parameter; None if none does."""
        parameter = PARAMETERS.get(self.to)
        if parameter is None:
            return None
        if self.value is not None:
            return float(value == self._wanted(parameter, preset_names))
        if parameter.kind == "text":
            return None
        if parameter.kind == "choice":
            number, ends = float(parameter.choices.index(str(value))), (0.0, float(len(parameter.choices) - 1))
        else:
            number = float(value)
            ends = (0.0, 1.0) if parameter.kind == "bool" else (parameter.minimum or 0.0, parameter.maximum or 1.0)
        low, high = self.range or ends
        return min(max((number - low) / (high - low), 0.0), 1.0)

    def _wanted(self, parameter: Parameter, preset_names: Sequence[str]) -> Value | None:
        if self.to == "/preset" and isinstance(self.value, int | float):
            place = round(self.value) - 1
            return preset_names[place] if 0 <= place < len(preset_names) else None
        return parameter.coerce(self.value)


class MidiMapping:
    """Targets by control. It never changes: `with_learned` and `without` return another one."""

    def __init__(self, targets: Mapping[MidiTrigger, MidiTarget] | None = None) -> None:
        self.targets: Mapping[MidiTrigger, MidiTarget] = dict(targets or {})
        self._found = {_folded(trigger): (trigger, target) for trigger, target in self.targets.items()}

    def find(self, moved: MidiTrigger) -> MidiTarget | None:
        """Return the target of a control that moved, whose channel and device are known. The nearest entry wins."""
        moved = _folded(moved)
        for device in (moved.device, ""):
            for channel in (moved.channel, 0):
                if (found := self._found.get(moved._replace(device=device, channel=channel))) is not None:
                    return found[1]
        return None

    def with_learned(self, trigger: MidiTrigger, target: MidiTarget) -> "MidiMapping":
        """Return the mapping with a control for a target, in place of the controls that the target had.

        The range that one of them had stays.
        """
        kept = {each: to for each, to in self.targets.items() if _folded(each) != _folded(trigger)}
        for each, to in self.targets.items():
            if (to.to, to.value) == (target.to, target.value):
                target = to
                kept.pop(each, None)
        return MidiMapping({**kept, trigger: target})

    def without(self, text: str) -> "MidiMapping":
        """Return the mapping without a control, or without every control of an address.

        Raises `ParameterRefused` if there is none.
        """
        address = "/" + text.strip().strip("/").lower()
        kept = {
            trigger: target
            for trigger, target in self.targets.items()
            if str(trigger).lower() != text.strip().lower() and target.to != address
        }
        if len(kept) == len(self.targets):
            raise ParameterRefused(f"no MIDI control is mapped as {text[:60]!r}")
        return MidiMapping(kept)


def parse_trigger(text: str) -> MidiTrigger:
    """Return the control of a text such as ``cc 7 ch 1``. Raises `ParameterRefused`."""
    match = _WRITTEN.fullmatch(text.strip())
    kind = match[1].lower() if match else ""
    if match is None or kind not in get_args(MidiKind):
        raise ParameterRefused(f"a MIDI control is {', '.join(get_args(MidiKind))}; {text[:40]!r} was given")
    number, channel, device = match[2], int(match[3] or 0), (match[4] or "").strip()
    if kind in LARGEST and (number is None or int(number) > LARGEST[kind]):
        raise ParameterRefused(f"{kind} takes a number from 0 to {LARGEST[kind]}")
    if kind not in LARGEST and number is not None:
        raise ParameterRefused(f"{kind} takes no number")
    if match[3] is not None and (kind in _CLOCK or not 1 <= channel <= 16):
        raise ParameterRefused(f"{kind} has no channel" if kind in _CLOCK else "a channel is from 1 to 16")
    return MidiTrigger(kind, int(number or 0), channel, device)  # type: ignore[arg-type]


def parse_target(text: str) -> MidiTarget:
    """Return the target of a text such as ``/strength`` or ``/preset fire``. Raises `ParameterRefused`."""
    address, _, words = text.strip().partition(" ")
    to, value = "/" + address.strip("/").lower(), words.strip()
    if to == "/preset" and value.isascii() and value.isdigit():
        return checked(MidiTarget(to=to, value=int(value[:9])), None)
    return checked(MidiTarget(to=to, value=value or None), None)


def checked(target: MidiTarget, kind: MidiKind | None) -> MidiTarget:
    """Return a target that a control of a kind can have, None for any fader or key. Raises `ParameterRefused`."""
    parameter = PARAMETERS.get(target.to)
    action = _ACTIONS.get(target.to)
    if parameter is None and action is None and target.to not in TWINS:
        raise ParameterRefused(f"{target.to[:60]} is not an address of this program")
    if kind == "clock" and target != MidiTarget(to="/bpm"):
        raise ParameterRefused("the clock sets /bpm and nothing else")
    if kind == "start" and (action is None or action.argument):
        raise ParameterRefused("start does an action without an argument, such as /resync")
    if target.to in TWINS and target.value is None:
        raise ParameterRefused(f"give {TWINS[target.to].address}, or a value that a press sends to {target.to}")
    if kind == "program" and target == MidiTarget(to="/preset"):
        return target
    takes_text = action.argument if action is not None else parameter is not None and parameter.kind == "text"
    if takes_text and target.value is None:
        raise ParameterRefused(f"{target.to} takes a text: give value")
    if target.range is not None and (parameter is None or target.value is not None or parameter.kind == "bool"):
        raise ParameterRefused("range goes with a number, and not with value")
    if target.range is not None and target.range[0] == target.range[1]:
        raise ParameterRefused("range takes two different numbers")
    if target.hold and (parameter is None or parameter.kind != "bool"):
        raise ParameterRefused("hold goes with a switch")
    for value in (target.value, *(target.range or ())):
        if value is not None and parameter is not None:
            parameter.coerce(value)
    return target


def _folded(trigger: MidiTrigger) -> MidiTrigger:
    return trigger._replace(device=trigger.device.casefold())
