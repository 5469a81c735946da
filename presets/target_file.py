"""Files that map the controls of a desk to addresses: strict YAML, every problem with line and column.

MIDI and DMX mappings are such files. They differ in how a control is written.
"""

from collections.abc import Callable
from typing import Any, TypeVar

from pydantic import ValidationError

from presets import strict_yaml
from presets.errors import ParameterRefused, PresetError
from presets.midi_mapping import MidiTarget
from presets.preset_problems import expected
from presets.strict_yaml import Document, Problem

MOST_MAPPINGS = 1000
"""Controls of one file."""
_NODES = 8 * MOST_MAPPINGS

Trigger = TypeVar("Trigger")


def parse_targets(
    data: bytes,
    name: str,
    what: str,
    example: str,
    parse_trigger: Callable[[str], Trigger],
    check: Callable[[MidiTarget, Trigger], MidiTarget],
) -> dict[Trigger, MidiTarget]:
    """Return the target of each control of a file. Raises `PresetError`.

    Args:
        data: Bytes of the file.
        name: Path that stands before each problem.
        what: Kind of the mapping, for sentences.
        example: A control as it is written, for sentences.
        parse_trigger: Returns a control of its text. Raises `ParameterRefused`.
        check: Returns the target if the control can have it. Raises `ParameterRefused`.
    """
    document = strict_yaml.parse(data, _NODES)
    problems = list(document.problems)
    entries = document.value if document.value is not None else {}
    if not problems and not isinstance(entries, dict):
        problems.append(Problem(1, 1, f"a {what} mapping maps controls, such as {example}, to addresses"))
    elif not problems and len(entries) > MOST_MAPPINGS:
        problems.append(Problem(1, 1, f"a {what} mapping has at most {MOST_MAPPINGS} controls; {len(entries)} came"))
    targets: dict[Trigger, MidiTarget] = {}
    for key, entry in entries.items() if not problems else ():
        found = _entry(key, entry, document, parse_trigger, check)
        if isinstance(found, Problem):
            problems.append(found)
        elif found[0] in targets:
            problems.append(document.keys[key,]._replace(message=f"{found[0]} occurs twice"))
        else:
            targets[found[0]] = found[1]
    if problems:
        raise PresetError("\n".join(f"{name}:{line}:{column}: {text}" for line, column, text in sorted(problems)))
    return targets


def _entry(
    key: Any,
    entry: Any,
    document: Document,
    parse_trigger: Callable[[str], Trigger],
    check: Callable[[MidiTarget, Trigger], MidiTarget],
) -> tuple[Trigger, MidiTarget] | Problem:
    try:
        trigger = parse_trigger(str(key))
    except ParameterRefused as refusal:
        return document.keys[key,]._replace(message=str(refusal))
    value = document.values[key,]
    try:
        target = MidiTarget.model_validate({"to": entry} if isinstance(entry, str) else entry)
        return trigger, check(target, trigger)
    except ParameterRefused as refusal:
        return value._replace(message=f"{key}: {refusal}")
    except ValidationError as error:
        return _problem(str(key), error.errors(include_url=False)[0], document)


def _problem(key: str, detail: Any, document: Document) -> Problem:
    at = (key, *detail["loc"])
    if detail["type"] == "extra_forbidden":
        keys = ", ".join(MidiTarget.model_fields)
        return document.keys[at]._replace(message=f"{str(at[-1])[:40]!r} is not a key of a control; they are {keys}")
    while at not in document.values:
        at = at[:-1]
    value = document.values[at]
    if "range" in at[1:]:
        return value._replace(message=f"{key}: range takes two numbers; {value.message} was given")
    if detail["type"] in ("model_type", "missing"):
        return value._replace(message=f"{key} maps to an address, or to a mapping with to; {value.message} was given")
    return value._replace(message=f"{key}: {at[-1]} must {expected(detail)}; {value.message} was given")
