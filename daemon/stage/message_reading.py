"""The sensible reading of a control message: which parameter or action it means, and with which plain arguments.

Control programs send the same wish in many forms: words of a prompt as several strings, a press as a bang, a text, nil
or two numbers, a preset by number or as the last part of an address. Whatever has one sensible reading is taken. The
rest reaches the store as it came, and is refused there.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from daemon.stage.argument_forms import (
    button,
    flattened,
    is_button_word,
    is_number,
    is_press,
    joined,
    press,
    with_point,
)
from daemon.stage.prompt_reading import PLACES, Prompts, read_place, read_prompts
from io_bridges.osc.packets import Impulse
from presets.coercion import as_number
from presets.declaration import ACTIONS, NORM
from presets.errors import ParameterRefused
from presets.parameter_table import PARAMETERS, TWINS, Parameter, Value
from presets.preset_names import find_name

_ARGUMENTS: Mapping[str, str] = {action.address: action.argument for action in ACTIONS}
_NAMES = ("/save", "/sink/add", "/record/controls", "/play/controls", "/play/loop", "/midi/learn", "/midi/forget")
"""Actions whose text may come in several words."""
FADERS: Mapping[str, Parameter] = {
    address: each for address, each in PARAMETERS.items() if each.kind in ("float", "int", "bool")
}
"""Parameters that a number sets, whatever it is."""


class Reading(NamedTuple):
    """A message in plain form."""

    address: str
    arguments: Sequence[object]
    note: str = ""
    """Sentence about the reading, for the sender; empty if there is nothing to say."""
    prompts: Prompts = ()
    """Texts and weights of a message that sets several values at once."""


def read_message(
    address: str, arguments: Sequence[object], values: Mapping[str, Value], preset_names: Callable[[], Sequence[str]]
) -> Reading:
    """Return the reading of a message.

    Args:
        address: The address as it was sent.
        arguments: The decoded arguments: numbers, texts, bools, None, `Impulse`, or lists of them.
        values: Present values by address.
        preset_names: Returns the names of the presets in order. Called only for a preset by number.
    """
    arguments = flattened(arguments)
    if address not in PARAMETERS and address not in _ARGUMENTS and address not in TWINS:
        address, arguments = _split_address(address, arguments)
    if (parameter := TWINS.get(address)) is not None:
        return _twin(parameter, address, arguments, values)
    if address == "/preset":
        return _preset(arguments, preset_names)
    if address == "/prompt":
        arguments, prompts = read_prompts(arguments)
        return Reading(address, arguments, prompts=prompts)
    if address in _NAMES:
        return Reading(address, joined(arguments))
    if address in ("/sink/open", "/sink/remove", "/cue/jump"):
        return Reading(address, joined(_numbered(address.split("/")[1], arguments)))
    if address in _ARGUMENTS:
        return Reading(address, arguments if _ARGUMENTS[address] else press(arguments))
    if address in PLACES.values() and (prompts := read_place(address, arguments, values)):
        return Reading(address, arguments, prompts=prompts)
    parameter = PARAMETERS.get(address)
    return Reading(address, arguments) if parameter is None else _value(parameter, arguments, values)


def _split_address(address: str, arguments: Sequence[object]) -> tuple[str, Sequence[object]]:
    """Return address and arguments of ``/strength/0.3`` and ``/preset/fire``, for pads that send an address alone.

    A button's 1 or 0 may follow; its release does nothing. ``/prompt/2`` is the text of that place, or with a
    number its weight.
    """
    if address in PLACES:
        is_weight = len(arguments) == 1 and is_number(arguments[0])
        return f"{address}/weight" if is_weight else PLACES[address], arguments
    parent, _, last = address.rpartition("/")
    if not last or len(arguments) > 1:
        return address, arguments
    if parent == "/preset" or _ARGUMENTS.get(parent):
        return parent, [last, *button(arguments)]
    if parent in _ARGUMENTS and is_button_word(last):
        return parent, press([last]) if is_press(arguments) else [0]
    if parent in PARAMETERS or parent in TWINS:
        return parent, ([last] if is_press(arguments) else [])
    return address, arguments


def _twin(parameter: Parameter, address: str, arguments: Sequence[object], values: Mapping[str, Value]) -> Reading:
    """Return the reading of ``/strength/norm 0.5`` or ``/strength/add -0.1``. A choice moves by places.

    Raises `ParameterRefused` for anything but one number, and for a text.
    """
    if parameter.kind == "text":
        raise ParameterRefused(f"{parameter.address} is a text, which has no range")
    note = ""
    if address.endswith(NORM) and len(arguments) > 1 and all(map(is_number, arguments)):
        arguments, note = arguments[:1], f"the first of {len(arguments)} values was taken"
    if len(arguments) != 1:
        raise ParameterRefused(f"{address} takes one number; {len(arguments) or 'none'} came")
    sent = arguments[0]
    number = as_number(with_point(sent) if isinstance(sent, str) else sent)
    if address.endswith(NORM):
        low, high = _range(parameter)
        value = low + min(max(number, 0.0), 1.0) * (high - low)
        return Reading(parameter.address, [value if parameter.kind == "float" else round(value)], note)
    return Reading(parameter.address, [_moved(parameter, number, values)])


def _moved(parameter: Parameter, number: float, values: Mapping[str, Value]) -> Value:
    """Return the present value moved by a number, within its range."""
    low, high = _range(parameter)
    now = values[parameter.address]
    place = parameter.choices.index(str(now)) if parameter.choices else as_number(now)
    moved = min(max(place + number, low), high)
    return moved if parameter.kind == "float" else round(moved)


def _range(parameter: Parameter) -> tuple[float, float]:
    """Return the least and the greatest value of a parameter, of a choice its places."""
    low, high = parameter.minimum, parameter.maximum
    if parameter.kind in ("choice", "bool") or low is None or high is None:
        return 0, len(parameter.choices) - 1 if parameter.choices else 1
    return low, high


def _preset(arguments: Sequence[object], preset_names: Callable[[], Sequence[str]]) -> Reading:
    """Return the reading of a preset by name, in one string or several, or by number. A button's state may follow."""
    if len(arguments) > 1 and isinstance(arguments[0], str):
        name = str(joined(arguments)[0]) if all(isinstance(each, str) for each in arguments) else ""
        written = " ".join(f"{word:g}" if isinstance(word, float) else str(word) for word in arguments)
        if name or find_name(written, preset_names()):
            return Reading("/preset", [name or written])
        *words, state = arguments
        return Reading("/preset", [*joined(words), state])
    first = arguments[0] if arguments else None
    number = int(first) if isinstance(first, str) and first.strip().isdecimal() and len(first) < 10 else first
    if isinstance(number, bool) or not is_number(number) or len(arguments) > 2 or (place := as_number(number)) < 1:
        return Reading("/preset", arguments)
    names = preset_names()
    if isinstance(first, str) and find_name(first, names):
        return Reading("/preset", arguments)
    if round(place) > len(names):
        raise ParameterRefused(f"there are {len(names)} presets; number {round(place)} came")
    known = names[round(place) - 1]
    return Reading("/preset", [known, *button(arguments[1:])], f"preset {round(place)} is {known}")


def _numbered(noun: str, arguments: Sequence[object]) -> Sequence[object]:
    """Return the number of a sink or a cue as text. A 0 stays a number: it is the release of a button.

    Raises `ParameterRefused` for a number with a fraction: another sink than the wanted one must not be removed.
    """
    if len(arguments) != 1 or not is_number(arguments[0]) or isinstance(arguments[0], bool):
        return arguments
    number = as_number(arguments[0])
    if number != round(number):
        raise ParameterRefused(f"{noun}s have whole numbers; {number:g} came")
    return [str(round(number))] if number >= 1 else arguments


def _value(parameter: Parameter, arguments: Sequence[object], values: Mapping[str, Value]) -> Reading:
    address = parameter.address
    if parameter.kind == "text":
        return Reading(address, joined(arguments))
    if parameter.kind == "bool":
        arguments = _switch(arguments, bool(values.get(address)))
    if len(arguments) > 1 and all(map(is_number, arguments)):
        return Reading(address, arguments[:1], f"the first of {len(arguments)} values was taken")
    if len(arguments) == 2 and arguments[0] in ("+", "-") and is_number(arguments[1]):
        # Resolume and Chataigne send relative values so.
        by = as_number(arguments[1])
        return Reading(address, [_moved(parameter, by if arguments[0] == "+" else -by, values)])
    if len(arguments) == 1 and parameter.kind in ("int", "float") and isinstance(arguments[0], str):
        arguments = [with_point(arguments[0])]
    return Reading(address, arguments)


def _switch(arguments: Sequence[object], now: bool) -> Sequence[object]:
    """Return the value of a switch: a bang or ``toggle`` turns it. A button's state may follow a word."""
    if len(arguments) > 1 and isinstance(arguments[0], str) and all(map(is_number, arguments[1:])):
        if not is_press(arguments[1:]):
            return [now]
        arguments = arguments[:1]
    if len(arguments) != 1:
        return arguments
    word = arguments[0].strip().lower() if isinstance(arguments[0], str) else arguments[0]
    return [not now] if word in (Impulse.IMPULSE, None, "bang", "toggle") else arguments
