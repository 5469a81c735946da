"""Sentences about what is wrong in a preset file: an unknown key, a wrong type, a value out of range."""

import difflib
import math
import re
from collections.abc import Iterable

from pydantic_core import ErrorDetails

from presets.parameter_table import NESTED
from presets.parameters import Parameters
from presets.processor_parameters import ProcessorPlace
from presets.strict_yaml import Document, Place, Problem


def unknown_key(key: str, known: Iterable[str]) -> str:
    """Return that a preset has no such key, and the nearest one that it may have."""
    if key in Parameters.model_fields:
        return f"{key} is a control of the whole show and not part of a preset; remove it"
    known = list(known)
    near = difflib.get_close_matches(key[:100].lower(), known, n=1)
    advice = f"did you mean {near[0]}?" if near else f"the keys are {', '.join(known)}"
    return f"{key[:40]!r} is not a key of a preset; {advice}"


def problem_of(detail: ErrorDetails, document: Document) -> Problem:
    """Return a pydantic error as a sentence, with its place in the file."""
    place: Place = tuple(detail["loc"])
    if detail["type"] == "extra_forbidden" and place[0] == "processor":
        value, known = document.values[place], ", ".join(ProcessorPlace.model_fields)
        return value._replace(message=f"{_name(place)} must be a number, or one of {known}; {value.message} was given")
    if detail["type"] == "extra_forbidden":
        entry, _ = NESTED[str(place[0])]
        return document.keys[place]._replace(message=unknown_key(str(place[-1]), entry.model_fields))
    while place not in document.values:  # a prompt given as one text has no entries in the file
        place = place[:-1]
    value = document.values[place]
    wanted = _FORMS.get((str(place[0]), detail["type"])) or expected(detail)
    return value._replace(
        message=f"{_name(place)} must {wanted}; {value.message} was given{_advice(wanted, value.message)}"
    )


def _advice(wanted: str, given: str) -> str:
    """Return how to mend a plain value, as the end of a sentence; empty if there is nothing to say."""
    if "number" in wanted and _COMMA.fullmatch(given):
        return ", and a number has a point, no comma"
    if "text" in wanted and _PLAIN.fullmatch(given):
        return "; put it in quotes if it is meant as text"
    return ""


_COMMA = re.compile(r"'[-+]?[0-9]+(?:,[0-9]+)+'")
_PLAIN = re.compile(r"[-+]?[0-9.][\w.+-]*|(?i:true|false)")
"""A number or a truth value, as the file has it."""


def _name(place: Place) -> str:
    """Return the path of a value as messages have it."""
    return "/".join(str(part + 1) if isinstance(part, int) else part[:40] for part in place)


_FORMS = {
    ("prompt", "tuple_type"): "be a text, or a list of text and weight",
    ("prompt", "model_type"): "be a mapping of text and weight",
    ("lfo", "tuple_type"): "be a list of LFOs",
    ("lfo", "model_type"): "be a mapping of target, shape, amount, period, timing and phase",
    ("processor", "tuple_type"): "be a list of processors",
    ("processor", "model_type"): "be a name, or a mapping of name, active and value1 to value4",
    ("processor", "string_pattern_mismatch"): "be a name of letters, digits, _ and -, and no path",
}
"""Form of the value of a key with several entries, by key and error."""


def expected(detail: ErrorDetails) -> str:
    """Return what a pydantic error expects, as the end of a sentence after "must"."""
    limits = detail.get("ctx", {})
    match detail["type"]:
        case "float_type" | "finite_number":
            return "be a number"
        case "int_type":
            return "be a whole number"
        case "string_type" | "string_unicode":
            return "be text"
        case "bool_type":
            return "be true or false"
        case "literal_error":
            return f"be {limits['expected']}"
        case "less_than_equal":
            return f"be at most {_number(limits['le'])}"
        case "greater_than_equal":
            return f"be at least {_number(limits['ge'])}"
        case "multiple_of":
            return f"be a multiple of {_number(limits['multiple_of'])}"
        case "string_too_long":
            return f"have at most {limits['max_length']} characters"
        case "string_too_short":
            return f"have at least {limits['min_length']} characters"
        case "too_long":
            return f"have at most {limits['max_length']} entries"
        case _:
            return f"be valid ({detail['msg']})"


def _number(limit: float) -> str:
    return str(int(limit)) if math.isfinite(limit) and limit == int(limit) else str(limit)
