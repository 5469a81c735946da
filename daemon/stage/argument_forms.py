"""Forms of the arguments that control programs send: presses of buttons, words in several strings, decimal commas."""

from collections.abc import Sequence

from presets.coercion import as_number

_RELEASE_WORDS = frozenset({"0", "0.0", "off", "false", "no", "up", "release"})
_PRESS_WORDS = frozenset({"1", "1.0", "on", "true", "yes", "down", "press", "bang", "go"})


def flattened(arguments: Sequence[object]) -> Sequence[object]:
    """Return the arguments with the items of arrays in place of the arrays."""
    if not any(isinstance(argument, list) for argument in arguments):
        return arguments
    flat: list[object] = []
    for argument in arguments:
        flat += flattened(argument) if isinstance(argument, list) else [argument]
    return flat


def joined(arguments: Sequence[object]) -> Sequence[object]:
    """Return several words as one text. Max and Pure Data send each word of a message box as a string of its own."""
    strings = sum(isinstance(argument, str) for argument in arguments)
    if strings < 2 or not all(isinstance(argument, str) or is_number(argument) for argument in arguments):
        return arguments
    return [" ".join(f"{word:g}" if isinstance(word, float) else str(word) for word in arguments)]


def press(arguments: Sequence[object]) -> Sequence[object]:
    """Return no argument for a press of a button in any form, 0 for a release."""
    return [] if is_press(arguments) else [0]


def button(arguments: Sequence[object]) -> Sequence[object]:
    """Return 1 for a press and 0 for a release; nothing if no state of a button came."""
    return [1 if is_press(arguments) else 0] if arguments else []


def is_press(arguments: Sequence[object]) -> bool:
    """Return False for the release of a button, in any form."""
    if not arguments:
        return True
    first = arguments[0]
    if isinstance(first, str) and first.strip().lower() in _RELEASE_WORDS:
        return False
    return not is_number(first) or as_number(first) >= 0.5


def is_button_word(text: str) -> bool:
    """Return True for a text that says that a button is pressed or released."""
    return text.lower() in _PRESS_WORDS | _RELEASE_WORDS


def is_number(value: object) -> bool:
    """Return True for a number or a bool."""
    return isinstance(value, int | float)


def with_point(text: str) -> str:
    """Return a number with a decimal point in place of its decimal comma."""
    whole, comma, fraction = text.partition(",")
    return f"{whole}.{fraction}" if comma and fraction.strip().isdigit() else text
