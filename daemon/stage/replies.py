"""The sentences in replies to control surfaces: why a message was refused, or which value was taken instead."""

from collections.abc import Sequence
from difflib import get_close_matches
from functools import lru_cache

from daemon.stage.argument_forms import with_point
from presets.coercion import as_bool, as_number
from presets.declaration import ACTIONS, NORM
from presets.errors import ParameterRefused
from presets.parameter_table import PARAMETERS, Parameter, Value

_TEXT_LIKE = {
    "/prompt": "/prompt/1/text",
    "/source": "/source",
    "/sink/add": "/source",
    "/sink/open": "/source",
    "/sink/remove": "/source",
    "/record/controls": "/source",
    "/play/controls": "/source",
    "/play/loop": "/source",
    "/audio/input": "/source",
    "/midi/learn": "/source",
    "/midi/forget": "/source",
}
"""Parameter whose limits apply to the text of an action. Other texts have the limits of a preset's name."""

NUMBERS = ("/beat",)
"""Actions whose argument is a number. They are no buttons: a 0 is not a release."""


def only_value(parameter: Parameter, arguments: Sequence[object]) -> object:
    """Return the one argument of a message that sets `parameter`. Raises `ParameterRefused` for several or none."""
    if len(arguments) == 1:
        return arguments[0]
    if not arguments and parameter.kind == "bool":
        return True  # a button that sends its address alone
    raise ParameterRefused(f"one value is expected, {len(arguments) or 'none'} came")


def coercion_note(parameter: Parameter, raw: object, value: Value) -> str:
    """Return why `value` was taken instead of `raw`; empty if they mean the same."""
    if parameter.kind in ("float", "int"):
        number = raw if isinstance(raw, int) else as_number(raw)
        if number == value:
            return ""
        if parameter.minimum is not None and number < parameter.minimum:
            return f"the minimum is {parameter.minimum:.10g}; set to {value}"
        if parameter.maximum is not None and number > parameter.maximum:
            return f"the maximum is {parameter.maximum:.10g}; set to {value}"
        return f"it goes in steps of {parameter.multiple_of or 1}; set to {value}"
    if parameter.kind == "text" and isinstance(raw, str) and raw.strip() != value:
        return f"the text was put on one line and cut to {len(str(value))} characters"
    return ""


def share_note(address: str, arguments: Sequence[object]) -> str:
    """Return that a share of a range was outside of 0 to 1; empty for any other message."""
    if not address.endswith(NORM) or not arguments:
        return ""
    try:
        number = as_number(arguments[0])
    except ParameterRefused:  # it was read in another way
        return ""
    return "" if 0 <= number <= 1 else f"a share is from 0 to 1, {number:.10g} came; set to {0 if number < 0 else 1}"


def weight_notes(prompts: Sequence[tuple[str, float]]) -> list[str]:
    """Return which weights of a mix of texts were cut at their limits."""
    notes = []
    for place, (_, weight) in enumerate(prompts, 1):
        parameter = PARAMETERS[f"/prompt/{place}/weight"]
        note = coercion_note(parameter, weight, parameter.coerce(weight))
        notes += [f"weight {place}: {note}"] if note else []
    return notes


def joined(*notes: str) -> str:
    """Return the notes that are not empty as one."""
    return "; ".join(filter(None, notes))


@lru_cache(maxsize=256)
def unknown_address(address: str) -> str:
    """Return that there is no such address, and the nearest one that exists."""
    near = get_close_matches(address, [*PARAMETERS, *(action.address for action in ACTIONS)], n=1)
    return f"there is no {address!r}; " + (f"did you mean {near[0]}?" if near else "ask for the list of parameters")


def first_line(problems: str) -> str:
    """Return the first of several problems, and the number of the others."""
    first, *others = problems.split("\n")
    return f"{first} (and {len(others)} more)" if others else first


def action_value(address: str, text: str) -> tuple[str, str]:
    """Return the text of an action as it is taken, and why it differs from what was sent; empty if it does not.

    Raises `ParameterRefused`.
    """
    parameter = PARAMETERS.get(address, PARAMETERS[_TEXT_LIKE.get(address, "/preset")])
    taken = str(parameter.coerce(text))
    return taken, "" if taken == text else coercion_note(parameter, text, taken)


def action_text(address: str, needs: str, arguments: Sequence[object]) -> str | None:
    """Return the text argument of an action, empty if it `needs` none; None for the release of a button.

    A button appends its state to what it sends: 1 when it is pressed, 0 when it is released.
    Raises `ParameterRefused`.
    """
    text, button = "", arguments
    if needs and address in NUMBERS:
        if not arguments:
            raise ParameterRefused(f"{address} needs {needs}")
        sent = arguments[0]
        return repr(as_number(with_point(sent) if isinstance(sent, str) else sent))
    if needs:
        if not arguments or (not isinstance(arguments[0], str) and as_bool(arguments[0])):
            raise ParameterRefused(f"{address} needs a text: {needs}")
        if isinstance(arguments[0], str):
            text, button = arguments[0], arguments[1:]
    if len(button) > 1:
        raise ParameterRefused(f"{address} takes at most one value, {len(arguments)} came")
    return None if button and not as_bool(button[0]) else text
