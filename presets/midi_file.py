"""The file of a MIDI mapping: strict YAML, refused whole with path, line and what was expected; saved atomically."""

from collections.abc import Sequence
from importlib import resources
from pathlib import Path
from typing import Any, NamedTuple

import platformdirs
import yaml
from pydantic import ValidationError

from presets import strict_yaml
from presets.atomic_write import write_atomically
from presets.errors import ParameterRefused, PresetError, SettingsError
from presets.files import read_bytes
from presets.midi_mapping import MidiMapping, MidiTarget, MidiTrigger, checked, parse_trigger
from presets.preset_problems import expected
from presets.strict_yaml import Document, Problem

MOST_MAPPINGS = 1000
"""Controls of one file."""
_NODES = 8 * MOST_MAPPINGS


class MidiSetup(NamedTuple):
    """The MIDI of a show: its devices, its mapping, and the file that keeps what is learned."""

    names: tuple[str, ...]
    """Parts of the names of ports, one for each device."""
    mapping: MidiMapping
    file: Path


def default_midi_file() -> Path:
    """Return the file of the mapping in the user's config folder."""
    return Path(platformdirs.user_config_dir("streamflow-live", appauthor=False)) / "midi.yaml"


def read_midi_setup(names: Sequence[str], file: Path | None) -> MidiSetup | None:
    """Return the MIDI of a show, None for ``off`` and for no name.

    Without a file of the user's own the mapping is the shipped one.

    Raises:
        SettingsError: A name is empty or twice there, or a file that is given lies in a missing folder.
        PresetError: The file can't be used; each problem is on a line.
    """
    wanted = tuple(name.strip() for name in names)
    if not wanted or [name.lower() for name in wanted] == ["off"]:
        return None
    if not all(wanted) or len({name.casefold() for name in wanted}) < len(wanted):
        raise SettingsError("--midi takes a part of a port's name, another one each time, or off")
    path = file or default_midi_file()
    if path.exists():
        return MidiSetup(wanted, parse_mapping(read_bytes(path), str(path)), path)
    if not path.parent.is_dir() and file is not None:
        raise SettingsError(f"--midi-map {path}: there is no folder {path.parent}")
    return MidiSetup(wanted, default_mapping(), path)


def default_mapping() -> MidiMapping:
    """Return the shipped mapping."""
    return parse_mapping((resources.files("presets") / "midi" / "default.yaml").read_bytes(), "default.yaml")


def parse_mapping(data: bytes, name: str) -> MidiMapping:
    """Return the mapping of a file. `name` stands before its problems. Raises `PresetError`."""
    document = strict_yaml.parse(data, _NODES)
    problems = list(document.problems)
    entries = document.value if document.value is not None else {}
    if not problems and not isinstance(entries, dict):
        problems.append(Problem(1, 1, "a MIDI mapping maps controls, such as cc 7, to addresses"))
    elif not problems and len(entries) > MOST_MAPPINGS:
        problems.append(Problem(1, 1, f"a MIDI mapping has at most {MOST_MAPPINGS} controls; {len(entries)} came"))
    targets: dict[MidiTrigger, MidiTarget] = {}
    for key, entry in entries.items() if not problems else ():
        found = _entry(key, entry, document)
        if isinstance(found, Problem):
            problems.append(found)
        elif found[0] in targets:
            problems.append(document.keys[key,]._replace(message=f"{found[0]} occurs twice"))
        else:
            targets[found[0]] = found[1]
    if problems:
        raise PresetError("\n".join(f"{name}:{line}:{column}: {text}" for line, column, text in sorted(problems)))
    return MidiMapping(targets)


def save_mapping(path: Path, mapping: MidiMapping) -> None:
    """Write a mapping to its file, whole or not at all. Raises `OSError`."""
    entries = {str(trigger): _written(target) for trigger, target in mapping.targets.items()}
    text = yaml.dump(entries, Dumper=strict_yaml.StrictDumper, sort_keys=False, allow_unicode=True, width=1000)
    write_atomically(path, text.encode())


def _entry(key: Any, entry: Any, document: Document) -> tuple[MidiTrigger, MidiTarget] | Problem:
    try:
        trigger = parse_trigger(str(key))
    except ParameterRefused as refusal:
        return document.keys[key,]._replace(message=str(refusal))
    value = document.values[key,]
    try:
        target = MidiTarget.model_validate({"to": entry} if isinstance(entry, str) else entry)
        return trigger, checked(target, trigger.kind)
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


def _written(target: MidiTarget) -> object:
    given = target.model_dump(exclude_defaults=True)
    if "range" in given:
        given["range"] = list(given["range"])
    return given["to"] if set(given) == {"to"} else given
