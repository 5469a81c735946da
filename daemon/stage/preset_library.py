"""The library of a show: presets whose sources are checked, and the first values of the processors that they name."""

import threading
from difflib import get_close_matches
from pathlib import Path

from daemon.processors.processor_file import ProcessorFile, ProcessorNumber
from daemon.processors.processor_folder import ProcessorFolder
from io_bridges.uri import source_problem
from presets.errors import PresetError
from presets.files import Preset
from presets.library import Library
from presets.nested_entries import NamedNumber
from presets.parameter_table import Value
from presets.processor_parameters import ProcessorPlace


def open_library(folder: Path | None, processors: Path | None = None) -> Library:
    """Return the shipped presets and those in a folder, by default the user's, with their sources checked.

    What presets leave to `processors` is looked up in that folder, by default the user's.
    """
    library = Library(folder, source_problem)
    library.values_left_out = FirstValues(processors).of
    return library


class FirstValues:
    """The numbers of processors that a preset's file leaves out, as the processors declare them.

    Any thread may call it. It reads the disk.
    """

    def __init__(self, folder: Path | None) -> None:
        """Use a folder, by default the user's."""
        self._folder = ProcessorFolder(folder)
        self._lock = threading.Lock()

    def of(self, preset: Preset) -> dict[str, Value]:
        """Return the values by address that the file of a preset does not name, or names as its processors do.

        A processor that is not there keeps the middle of each range. Raises `PresetError`, with line and column, for a
        number that a processor does not have or that is out of its range.
        """
        places: tuple[ProcessorPlace, ...] = preset.values.get("processor", ())
        if not places:
            return {}
        with self._lock:
            self._folder.look()
            files = self._folder.files
        found: dict[str, Value] = {}
        for place, processor in enumerate(places, 1):
            file = files.get(processor.name)
            if file is None:
                continue
            named = {number.name: number for number in preset.numbers if number.place == place}
            for number, declared in enumerate(file.numbers, 1):
                field, given = f"value{number}", named.pop(declared.name, None)
                if given is not None:
                    found[f"/processor/{place}/{field}"] = _share(declared, given, field in processor.model_fields_set)
                elif field not in processor.model_fields_set:
                    found[f"/processor/{place}/{field}"] = declared.share(declared.first)
            for unknown in named.values():
                raise PresetError(f"{unknown.at}: {_unknown(file, unknown.name)}")
        return found


def _share(declared: ProcessorNumber, given: NamedNumber, twice: bool) -> float:
    """Return the number of a preset's file as a share of its range."""
    if twice:
        raise PresetError(f"{given.at}: {given.name} is given twice, by its name and by its place")
    if not declared.minimum <= given.value <= declared.maximum:
        limits = f"{declared.minimum:g} to {declared.maximum:g}"
        raise PresetError(f"{given.at}: {given.name} must be {limits}; {given.value:g} was given")
    return declared.share(given.value)


def _unknown(file: ProcessorFile, name: str) -> str:
    names = [number.name for number in file.numbers]
    near = get_close_matches(name[:100], names, n=1)
    advice = f"did you mean {near[0]}?" if near else f"it has {', '.join(names) or 'none'}"
    return f"{file.name} has no number {name[:40]!r}; {advice}"
