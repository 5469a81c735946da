"""The library of a show: presets whose sources are checked, and the first values of the processors that they name."""

import threading
from pathlib import Path

from daemon.processors.processor_folder import ProcessorFolder
from io_bridges.uri import source_problem
from presets.files import Preset
from presets.library import Library
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
        """Return the values by address that the file of a preset does not name.

        A processor that is not there keeps the middle of each range.
        """
        places: tuple[ProcessorPlace, ...] = preset.values.get("processor", ())
        if not places:
            return {}
        with self._lock:
            self._folder.look()
            files = self._folder.files
        found: dict[str, Value] = {}
        for place, processor in enumerate(places, 1):
            numbers = files[processor.name].numbers if processor.name in files else ()
            for number, declared in enumerate(numbers, 1):
                if f"value{number}" not in processor.model_fields_set:
                    found[f"/processor/{place}/value{number}"] = declared.share(declared.first)
        return found
