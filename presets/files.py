"""Presets as files: strict YAML with path, line, column and what was expected for every problem; written atomically.

A preset is a mapping with an optional ``name`` and ``description`` and the keys of `Parameters` that belong to a look.
"""

import difflib
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any

import yaml
from pydantic import Field, ValidationError
from pydantic_core import ErrorDetails

from presets import strict_yaml
from presets.atomic_write import write_atomically
from presets.build import REBUILD_KEYS
from presets.errors import PresetError
from presets.parameter_table import PARAMETERS, Value, flatten
from presets.parameters import Parameters, WeightedPrompt
from presets.strict_yaml import MOST_BYTES, Document, Place, Problem

KEPT_KEYS = REBUILD_KEYS | {parameter.key for parameter in PARAMETERS.values() if parameter.stays}
"""Keys that a look leaves as they are when its file does not name them."""

LOOK_KEYS = tuple(dict.fromkeys(parameter.key for parameter in PARAMETERS.values() if parameter.in_presets))
"""Every parameter key that a preset may name, in the order of the declaration."""


class _PresetFile(Parameters):
    """The keys of a preset file; pydantic checks types and ranges against the one declaration."""

    name: Annotated[str, Field(min_length=1, max_length=100)] = "preset"
    description: Annotated[str, Field(max_length=1000)] = ""


_KEYS = ("name", "description", *LOOK_KEYS)


@dataclass(frozen=True, slots=True)
class Preset:
    """A look as its file has it."""

    name: str
    """What the file calls itself, or the file's name without its ending."""
    description: str = ""
    values: Mapping[str, Any] = field(default_factory=dict)
    """Field values of `Parameters`, only those that the file names; ``prompt`` is a tuple of `WeightedPrompt`."""

    def addresses(self) -> dict[str, Value]:
        """The whole look as plain values by address.

        Keys that the file does not name have their default, so that a look is the same picture whatever was on air
        before it; only the keys in `KEPT_KEYS` (model, size, accelerator; how long a morph takes) are left out unless
        the file names them. A file that names a model names its engine with it, or that there is none.
        """
        named = self.values.keys() | ({"engine"} if "model" in self.values else set())
        flat = flatten(Parameters.model_construct(**self.values))
        return {
            address: PARAMETERS[address].coerce(value)  # text on one line, without control characters
            for address, value in flat.items()
            if (key := PARAMETERS[address].key) in LOOK_KEYS and (key not in KEPT_KEYS or key in named)
        }


def read_preset(path: Path) -> Preset:
    """Read one preset file. Raises `PresetError` with every problem, one a line: ``path:line:column: what``."""
    return parse_preset(read_bytes(path), str(path))


def place_of(path: Path, key: str) -> str:
    """``path:line:column`` of a key's value in a preset file, for what only others can tell of it.

    Raises `PresetError` where the file can't be read; where it names no such key, this is its path.
    """
    document = strict_yaml.parse(read_bytes(path))
    standing = document.values.get((key,))
    return f"{path}:{standing.line}:{standing.column}" if standing else str(path)


def read_bytes(path: Path) -> bytes:
    """The bytes of a regular file, one more than is allowed at most. Raises `PresetError`."""
    try:
        if not path.exists():
            raise PresetError(f"{path}: there is no such file")
        if not path.is_file():  # a pipe would block, a folder can't be read
            raise PresetError(f"{path}: a file is expected")
        with path.open("rb") as file:
            return file.read(MOST_BYTES + 1)
    except OSError as error:
        raise PresetError(f"{path}: it can't be read: {error.strerror or error}") from error


def parse_preset(data: bytes, label: str) -> Preset:
    """Read a preset from its file's bytes; `label` is its path, as messages name it. Raises `PresetError`."""
    document = strict_yaml.parse(data)
    if not document.problems and not isinstance(document.value, dict | None):
        first = document.values[()]
        document.problems.append(first._replace(message=f"keys and values are expected; {first.message} stands there"))
    if not isinstance(document.value, dict | None):
        raise _error(label, document.problems)
    problems = list(document.problems)
    given: dict[str, Any] = {}
    for key, value in (document.value or {}).items():
        if key in _KEYS:
            given[key] = tuple(value) if key == "prompt" and isinstance(value, list) else value
        else:
            problems.append(document.keys[(key,)]._replace(message=_unknown(key, _KEYS)))
    checked = None
    try:
        checked = _PresetFile.model_validate(given, strict=True)
    except ValidationError as error:
        problems += [_problem(detail, document) for detail in error.errors(include_url=False)]
    if problems or checked is None:
        raise _error(label, problems)
    return Preset(
        name=checked.name if "name" in given else Path(label).stem,
        description=checked.description,
        values=MappingProxyType({key: getattr(checked, key) for key in LOOK_KEYS if key in given}),
    )


def preset_text(preset: Preset, stem: str = "") -> str:
    """The file of a preset: name (unless it is `stem`) and description, then its keys in the declaration's order."""
    lines: dict[str, Any] = {} if preset.name == stem else {"name": preset.name}
    if preset.description:
        lines["description"] = preset.description
    for key in LOOK_KEYS:
        if key in preset.values:
            lines[key] = _prompt_lines(preset.values[key]) if key == "prompt" else preset.values[key]
    text: str = yaml.dump(lines, Dumper=strict_yaml.StrictDumper, sort_keys=False, allow_unicode=True, width=110)
    return text


def write_preset(path: Path, preset: Preset) -> None:
    """Write a preset file whole or not at all. Raises `PresetError`; the file is then as it was."""
    try:
        write_atomically(path, preset_text(preset, path.stem).encode())
    except OSError as error:
        raise PresetError(f"{path}: it can't be written: {error.strerror or error}") from error


def _prompt_lines(prompt: tuple[WeightedPrompt, ...]) -> str | list[dict[str, Any]]:
    if len(prompt) == 1 and prompt[0].weight == 1:
        return prompt[0].text
    return [{"text": entry.text, "weight": entry.weight} for entry in prompt]


def _error(label: str, problems: Iterable[Problem]) -> PresetError:
    places = ((f"{label}:{line}:{column}" if line else label, said) for line, column, said in sorted(problems))
    return PresetError("\n".join(f"{place}: {said}" for place, said in places))


def _unknown(key: str, known: Iterable[str]) -> str:
    if key in Parameters.model_fields:
        return f"{key} belongs to the evening and not to a look: take it out"
    known = list(known)
    near = difflib.get_close_matches(key[:100].lower(), known, n=1)
    advice = f"did you mean {near[0]}?" if near else f"the keys are {', '.join(known)}"
    return f"{key[:40]!r} is not a key here; {advice}"


def _problem(detail: ErrorDetails, document: Document) -> Problem:
    """A pydantic error as a sentence, at the place in the file that it speaks of."""
    place: Place = tuple(detail["loc"])
    if detail["type"] == "extra_forbidden":
        return document.keys[place]._replace(message=_unknown(str(place[-1]), WeightedPrompt.model_fields))
    while place not in document.values:  # a prompt given as one text stands in for a list of one
        place = place[:-1]
    standing = document.values[place]
    name = "/".join(str(part + 1) if isinstance(part, int) else part for part in place)
    return standing._replace(message=f"{name} must {_expected(detail)}; {standing.message} stands there")


def _expected(detail: ErrorDetails) -> str:
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
        case "tuple_type":
            return "be a text, or a list of text and weight"
        case "model_type":
            return "be a mapping of text and weight"
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
            return f"be otherwise ({detail['msg']})"


def _number(limit: float) -> str:
    return str(int(limit)) if math.isfinite(limit) and limit == int(limit) else str(limit)
