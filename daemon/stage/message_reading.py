"""The sensible reading of a control message: which parameter or action it means, and with which plain arguments.

Control programs send the same wish in many forms: words of a prompt as several strings, a press as a bang, a text, nil
or two numbers, a preset by number or as the last part of an address. Whatever has one sensible reading is taken. The
rest reaches the store as it came, and is refused there.
"""

import random
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from io_bridges.osc.packets import Impulse
from presets.coercion import as_number
from presets.declaration import ACTIONS, NORM
from presets.errors import ParameterRefused
from presets.parameter_table import PARAMETERS, TWINS, Parameter, Value
from presets.parameters import PROMPTS

_ARGUMENTS: Mapping[str, str] = {action.address: action.argument for action in ACTIONS}
_NAMES = ("/sink/add", "/record/controls", "/play/controls", "/play/loop", "/midi/learn", "/midi/forget")
"""Actions whose text may come in several words."""
_RELEASE_WORDS = frozenset({"0", "0.0", "off", "false", "no", "up", "release"})
_SEEDS = ("/seed", "/seed_to")
_FADERS = {each.address for each in PARAMETERS.values() if each.kind in ("float", "int", "bool")} - {*_SEEDS}
_LARGEST_SEED = 2**31 - 1


class Reading(NamedTuple):
    """A message in plain form."""

    address: str
    arguments: Sequence[object]
    note: str = ""
    """Sentence about the reading, for the sender; empty if there is nothing to say."""
    prompts: tuple[tuple[str, float], ...] = ()
    """Texts and weights of a ``/prompt`` that mixes several."""


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
    if len(arguments) == 1 and type(arguments[0]) is float and address in _FADERS:
        return Reading(address, arguments)  # a fader, a thousand times a second
    arguments = _flattened(arguments)
    if (parameter := TWINS.get(address)) is not None:
        return Reading(parameter.address, [_twin_value(parameter, address, arguments, values)])
    if address not in PARAMETERS and address not in _ARGUMENTS:
        address, arguments = _split_address(address, arguments)
    if address == "/preset":
        return _preset(arguments, preset_names)
    if address == "/prompt":
        return _prompt(arguments)
    if address in _NAMES:
        return Reading(address, _joined(arguments))
    if address in ("/sink/open", "/sink/remove", "/cue/jump"):
        return Reading(address, _joined(_numbered(address.split("/")[1], arguments)))
    if address in _ARGUMENTS:
        return Reading(address, arguments if _ARGUMENTS[address] else _press(arguments))
    parameter = PARAMETERS.get(address)
    return Reading(address, arguments) if parameter is None else _value(parameter, arguments, values)


def prompt_values(prompts: Sequence[tuple[str, float]]) -> dict[str, Value]:
    """Return the values by address of these texts with their weights, and no other text."""
    values: dict[str, Value] = {f"/prompt/{place}/text": "" for place in range(1, PROMPTS + 1)}
    for place, (text, weight) in enumerate(prompts, 1):
        values[f"/prompt/{place}/text"] = PARAMETERS[f"/prompt/{place}/text"].coerce(text)
        values[f"/prompt/{place}/weight"] = PARAMETERS[f"/prompt/{place}/weight"].coerce(weight)
    return values


def _flattened(arguments: Sequence[object]) -> Sequence[object]:
    """Return the arguments with the items of arrays in place of the arrays."""
    if not any(isinstance(argument, list) for argument in arguments):
        return arguments
    flat: list[object] = []
    for argument in arguments:
        flat += _flattened(argument) if isinstance(argument, list) else [argument]
    return flat


def _split_address(address: str, arguments: Sequence[object]) -> tuple[str, Sequence[object]]:
    """Return address and arguments of ``/strength/0.3`` and ``/preset/fire``, for pads that send an address alone.

    A button's 1 or 0 may follow; its release does nothing.
    """
    parent, _, last = address.rpartition("/")
    known = parent in PARAMETERS or _ARGUMENTS.get(parent, "")
    if not known or not last or len(arguments) > 1:
        return address, arguments
    if parent == "/preset" or parent in _ARGUMENTS:
        return parent, [last, *_button(arguments)]
    return parent, ([last] if _is_press(arguments) else [])


def _twin_value(parameter: Parameter, address: str, arguments: Sequence[object], values: Mapping[str, Value]) -> Value:
    """Return the value that ``/strength/norm 0.5`` or ``/strength/add -0.1`` asks for. A choice moves by places.

    Raises `ParameterRefused` for anything but one number, and for a text.
    """
    if parameter.kind == "text":
        raise ParameterRefused(f"{parameter.address} is a text, which has no range")
    if len(arguments) != 1:
        raise ParameterRefused(f"{address} takes one number; {len(arguments) or 'none'} came")
    sent = arguments[0]
    number = as_number(_with_point(sent) if isinstance(sent, str) else sent)
    low, high = parameter.minimum, parameter.maximum
    if parameter.kind in ("choice", "bool") or low is None or high is None:
        low, high = 0, len(parameter.choices) - 1 if parameter.choices else 1
    if address.endswith(NORM):
        value = low + min(max(number, 0.0), 1.0) * (high - low)
        return value if parameter.kind == "float" else round(value)
    now = values[parameter.address]
    place = parameter.choices.index(str(now)) if parameter.choices else as_number(now)
    moved = min(max(place + number, low), high)
    return moved if parameter.kind == "float" else round(moved)


def _preset(arguments: Sequence[object], preset_names: Callable[[], Sequence[str]]) -> Reading:
    first = arguments[0] if arguments else None
    if len(arguments) == 1 and _is_number(first) and not isinstance(first, bool) and (place := as_number(first)) >= 1:
        names, number = preset_names(), round(place)
        if number > len(names):
            raise ParameterRefused(f"there are {len(names)} presets; number {number} came")
        return Reading("/preset", [names[number - 1]], f"preset {number} is {names[number - 1]}")
    return Reading("/preset", arguments)


def _prompt(arguments: Sequence[object]) -> Reading:
    texts, weights = arguments[0::2], arguments[1::2]
    if len(texts) == len(weights) and all(isinstance(text, str) for text in texts) and all(map(_is_number, weights)):
        pairs = tuple((str(text), as_number(weight)) for text, weight in zip(texts, weights, strict=True))
        # One text with a 1 or 0 is a button, which is a press or a release.
        if len(pairs) > 1 or (pairs and pairs[0][1] not in (0.0, 1.0)):
            if len(pairs) > PROMPTS:
                raise ParameterRefused(f"there are {PROMPTS} prompts; {len(pairs)} texts came")
            return Reading("/prompt", arguments, prompts=pairs)
        return Reading("/prompt", arguments)
    return Reading("/prompt", _joined(arguments))


def _numbered(noun: str, arguments: Sequence[object]) -> Sequence[object]:
    """Return the number of a sink or a cue as text. A 0 stays a number: it is the release of a button.

    Raises `ParameterRefused` for a number with a fraction: another sink than the wanted one must not be removed.
    """
    if len(arguments) != 1 or not _is_number(arguments[0]) or isinstance(arguments[0], bool):
        return arguments
    number = as_number(arguments[0])
    if number != round(number):
        raise ParameterRefused(f"{noun}s have whole numbers; {number:g} came")
    return [str(round(number))] if number >= 1 else arguments


def _value(parameter: Parameter, arguments: Sequence[object], values: Mapping[str, Value]) -> Reading:
    address = parameter.address
    if parameter.kind == "text":
        return Reading(address, _joined(arguments))
    if parameter.kind == "bool" and len(arguments) == 1 and arguments[0] in (Impulse.IMPULSE, None, "bang"):
        return Reading(address, [not values[address]])
    if len(arguments) > 1 and all(map(_is_number, arguments)):
        return Reading(address, arguments[:1], f"the first of {len(arguments)} values was taken")
    if len(arguments) == 1 and parameter.kind in ("int", "float") and isinstance(arguments[0], str):
        arguments = [_with_point(arguments[0])]
    if address in _SEEDS and len(arguments) == 1 and arguments[0] in (-1, "-1"):
        seed = random.randint(0, _LARGEST_SEED)
        return Reading(address, [seed], f"a random seed: {seed}")
    return Reading(address, arguments)


def _joined(arguments: Sequence[object]) -> Sequence[object]:
    """Return several words as one text. Max and Pure Data send each word of a message box as a string of its own."""
    strings = sum(isinstance(argument, str) for argument in arguments)
    if strings < 2 or not all(isinstance(argument, str) or _is_number(argument) for argument in arguments):
        return arguments
    return [" ".join(f"{word:g}" if isinstance(word, float) else str(word) for word in arguments)]


def _press(arguments: Sequence[object]) -> Sequence[object]:
    """Return no argument for a press of a button in any form, 0 for a release."""
    return [] if _is_press(arguments) else [0]


def _button(arguments: Sequence[object]) -> Sequence[object]:
    return [1 if _is_press(arguments) else 0] if arguments else []


def _is_press(arguments: Sequence[object]) -> bool:
    if not arguments:
        return True
    first = arguments[0]
    if isinstance(first, str) and first.strip().lower() in _RELEASE_WORDS:
        return False
    return not _is_number(first) or as_number(first) >= 0.5


def _is_number(value: object) -> bool:
    return isinstance(value, int | float)


def _with_point(text: str) -> str:
    """Return a number with a decimal point in place of its decimal comma."""
    whole, comma, fraction = text.partition(",")
    return f"{whole}.{fraction}" if comma and fraction.strip().isdigit() else text
