"""The file of a MIDI mapping: strict YAML, refused whole with path, line and what was expected; saved atomically."""

from collections.abc import Sequence
from importlib import resources
from pathlib import Path
from typing import NamedTuple

import platformdirs
import yaml

from presets import strict_yaml
from presets.atomic_write import write_atomically
from presets.errors import SettingsError
from presets.files import read_bytes
from presets.midi_mapping import MidiMapping, MidiTarget, checked, parse_trigger
from presets.target_file import parse_targets


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
    return MidiMapping(
        parse_targets(data, name, "MIDI", "cc 7", parse_trigger, lambda target, trigger: checked(target, trigger.kind))
    )


def save_mapping(path: Path, mapping: MidiMapping) -> None:
    """Write a mapping to its file, whole or not at all. Raises `OSError`."""
    entries = {str(trigger): _written(target) for trigger, target in mapping.targets.items()}
    text = yaml.dump(entries, Dumper=strict_yaml.StrictDumper, sort_keys=False, allow_unicode=True, width=1000)
    write_atomically(path, text.encode())


def _written(target: MidiTarget) -> object:
    given = target.model_dump(exclude_defaults=True)
    if "range" in given:
        given["range"] = list(given["range"])
    return given["to"] if set(given) == {"to"} else given
