"""Preset files: strict YAML, every problem with path, line, column and the expected value; atomic writes.

A preset is a mapping with an optional ``name``, ``description`` and ``extends`` and keys of `Parameters`.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any, NamedTuple

import yaml
from pydantic import Field, ValidationError

from presets import strict_yaml
from presets.atomic_write import write_atomically
from presets.coercion import expected_choice
from presets.errors import PresetError
from presets.lfo_parameters import NO_TARGET
from presets.nested_entries import ENTRIES, LINES, NamedNumber, named_numbers, with_numbers
from presets.parameter_table import LFO_TARGETS, PARAMETERS, Value, flatten
from presets.parameters import Parameters
from presets.preset_keys import KEPT_KEYS, LORA_KEYS, PRESET_KEYS, emptied_by
from presets.preset_problems import problem_of, unknown_key
from presets.strict_yaml import MAX_BYTES, Problem

SourceProblem = Callable[[str], str]
"""Returns what is wrong with the address of a source; empty if nothing is."""


class PresetFile(Parameters):
    """Keys of a preset file. Pydantic checks types and ranges against the declaration."""

    name: Annotated[str, Field(min_length=1, max_length=100)] = "preset"
    description: Annotated[str, Field(max_length=1000)] = ""
    extends: Annotated[
        str,
        Field(
            min_length=1,
            max_length=64,
            description="preset whose values hold where this one names none: one of the same folder, or a shipped one",
        ),
    ] = "preset"


FILE_KEYS = ("name", "description", "extends", *PRESET_KEYS)
"""Keys that a preset file may have."""


class BaseName(NamedTuple):
    """Name of the preset that another extends, with line and column in its file."""

    name: str
    line: int = 0
    column: int = 0


@dataclass(frozen=True, slots=True)
class Preset:
    """Contents of a preset file."""

    name: str
    """Name in the file, or the file's name without its suffix."""
    description: str = ""
    values: Mapping[str, Any] = field(default_factory=dict)
    """Field values of `Parameters` that the file names; those with several entries are tuples of their models.

    The library adds those of the presets that it extends.
    """
    numbers: tuple[NamedNumber, ...] = ()
    """Numbers of its processors by their own names. The library turns them into values of their places."""
    extends: BaseName | None = None
    origins: Mapping[str, Path] = field(default_factory=dict, compare=False)
    """File that names each value; empty for a preset that extends none."""
    files: tuple[Path, ...] = field(default=(), compare=False)
    """The file itself and those of the presets that it extends, where the library has read them."""

    def addresses(self) -> dict[str, Value]:
        """Return the complete preset as plain values by address.

        Keys that the file does not name have their default, so that a preset draws the same picture whatever was on air
        before. Keys in `KEPT_KEYS` (model, size, accelerator, the length of a morph) are left out unless the file names
        them. A file that names a model sets the engine, the adapters and the reuse that it does not name to none. One
        that names a LoRA has no others, and one that names a ControlNet or an IP-Adapter has its own settings of it.
        """
        named = self.values.keys() | emptied_by(self.values)
        if not LORA_KEYS.isdisjoint(self.values):
            named |= LORA_KEYS
        flat = flatten(Parameters.model_construct(**self.values))
        return {
            address: PARAMETERS[address].coerce(value)  # puts text on one line, without control characters
            for address, value in flat.items()
            if (key := PARAMETERS[address].key) in PRESET_KEYS and (key not in KEPT_KEYS or key in named)
        }


def read_preset(path: Path, source_problem: SourceProblem | None = None) -> Preset:
    """Read a preset file. Raises `PresetError` with every problem on a line: ``path:line:column: problem``."""
    return parse_preset(read_bytes(path), str(path), source_problem)


def place_of(path: Path, key: str) -> str:
    """Return ``path:line:column`` of a key's value in a preset file, or the path if the file does not name it.

    Raises `PresetError` if the file can't be read.
    """
    document = strict_yaml.parse(read_bytes(path))
    place = document.values.get((key,))
    return f"{path}:{place.line}:{place.column}" if place else str(path)


def read_bytes(path: Path) -> bytes:
    """Read a regular file, up to one byte more than a preset may have. Raises `PresetError`."""
    try:
        if not path.exists():
            raise PresetError(f"{path}: no such file")
        if not path.is_file():  # a pipe would block
            raise PresetError(f"{path}: not a plain file")
        with path.open("rb") as file:
            return file.read(MAX_BYTES + 1)
    except OSError as error:
        raise PresetError(f"{path}: it can't be read: {error.strerror or error}") from error


def parse_preset(data: bytes, label: str, source_problem: SourceProblem | None = None) -> Preset:
    """Read a preset from the bytes of its file. `label` is the path for messages. Raises `PresetError`.

    A file that sets nothing, not even a name, is refused: it is more likely truncated than meant. Without
    `source_problem`, every text counts as the address of a source.
    """
    document = strict_yaml.parse(data)
    if not document.problems and not isinstance(document.value, dict | None):
        first = document.values[()]
        document.problems.append(first._replace(message=f"keys and values are expected; {first.message} was given"))
    if not isinstance(document.value, dict | None):
        raise _error(label, document.problems)
    problems = list(document.problems)
    if not document.value and not problems:
        problems.append(Problem(0, 0, "the preset is empty; set at least one key, such as prompt"))
    given: dict[str, Any] = {}
    for key, value in (document.value or {}).items():
        if key in FILE_KEYS:
            given[key] = ENTRIES[key](value) if key in ENTRIES and isinstance(value, list) else value
        else:
            problems.append(document.keys[(key,)]._replace(message=unknown_key(key, FILE_KEYS)))
    checked = None
    try:
        checked = PresetFile.model_validate(given, strict=True)
    except ValidationError as error:
        problems += [problem_of(detail, document) for detail in error.errors(include_url=False)]
    for place, target in enumerate(_targets(given)):
        if target not in LFO_TARGETS:
            expected = f"lfo/{place + 1}/target must be {expected_choice(LFO_TARGETS, target)}".rstrip(",")
            found = document.values[("lfo", place, "target")]
            problems.append(found._replace(message=f"{expected}; {found.message} was given"))
    for key in ("source", "source2"):
        source = given.get(key)
        if source_problem is not None and isinstance(source, str) and source and (problem := source_problem(source)):
            problems.append(document.values[(key,)]._replace(message=f"{key}: {problem}"))
    if problems or checked is None:
        raise _error(label, problems)
    base = document.values.get(("extends",))
    return Preset(
        numbers=tuple(named_numbers((document.value or {}).get("processor"), document, label)),
        extends=BaseName(checked.extends, base.line, base.column) if base else None,
        name=checked.name if "name" in given else Path(label).stem,
        description=checked.description,
        values=MappingProxyType({key: getattr(checked, key) for key in PRESET_KEYS if key in given}),
    )


def preset_text(preset: Preset, stem: str = "") -> str:
    """Return the text of a preset's file: name (unless it is `stem`), description, base, and its keys in order."""
    lines: dict[str, Any] = {} if preset.name == stem else {"name": preset.name}
    if preset.description:
        lines["description"] = preset.description
    if preset.extends:
        lines["extends"] = preset.extends.name
    for key in PRESET_KEYS:
        if key in preset.values:
            lines[key] = LINES[key](preset.values[key]) if key in LINES else preset.values[key]
    if preset.numbers:
        lines["processor"] = with_numbers(lines["processor"], preset.numbers)
    text: str = yaml.dump(lines, Dumper=strict_yaml.StrictDumper, sort_keys=False, allow_unicode=True, width=110)
    return text


def write_preset(path: Path, preset: Preset) -> None:
    """Write a preset file atomically. Raises `PresetError`; the file is then as it was."""
    try:
        write_atomically(path, preset_text(preset, path.stem).encode())
    except OSError as error:
        raise PresetError(f"{path}: it can't be written: {error.strerror or error}") from error


def _targets(given: Mapping[str, Any]) -> Iterator[str]:
    """Yield the target of each LFO in a file, as far as it is a text."""
    entries = given.get("lfo")
    for each in entries if isinstance(entries, tuple) else ():
        target = each.get("target") if isinstance(each, dict) else None
        yield target if isinstance(target, str) else NO_TARGET


def _error(label: str, problems: Iterable[Problem]) -> PresetError:
    lines = (
        f"{label}:{line}:{column}: {message}" if line else f"{label}: {message}"
        for line, column, message in sorted(problems)
    )
    return PresetError("\n".join(lines))
