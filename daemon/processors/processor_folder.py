"""`ProcessorFolder`: the processors in one folder of the user's, read again when a file is saved.

Names come from the wire, paths never do. A file that is refused leaves the one before in place.
"""

import os
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

import platformdirs

from daemon.processors.processor_file import ProcessorFile, is_name, read_processor
from presets.errors import ProcessorError

MOST_FILES = 200
"""Most processors of a folder. The first ones in alphabetical order are taken."""

Stamp = tuple[int, int, int]
"""Time of change, size and inode of a file."""


def default_folder() -> Path:
    """Return the user's folder of processors, which need not exist."""
    return Path(platformdirs.user_config_dir("streamflow-live", appauthor=False)) / "processors"


class ProcessorFolder:
    """Processors by name. One thread looks; any thread may read."""

    def __init__(self, folder: Path | None = None) -> None:
        """Use `folder`, by default the user's. Nothing is read before `look`."""
        self.folder = folder or default_folder()
        self.files: Mapping[str, ProcessorFile] = MappingProxyType({})
        """Newest contents of each file that could be read."""
        self.problems: Mapping[str, str] = MappingProxyType({})
        """Path, line and problem of each file whose newest contents are refused, by name."""
        self._stamps: dict[str, Stamp] = {}

    def look(self) -> None:
        """Read the files that are new or changed since the last look. What a file held that is gone stays."""
        stamps = self._list()
        if stamps == self._stamps:
            return
        files, problems = dict(self.files), dict(self.problems)
        for name in self._stamps.keys() - stamps.keys():
            problems[name] = f"{self.folder / name}.py: the file is gone"
        for name, stamp in stamps.items():
            if self._stamps.get(name) == stamp:
                continue
            problems.pop(name, None)
            try:
                files[name] = read_processor(self.folder / f"{name}.py")
            except ProcessorError as error:
                problems[name] = str(error)
        for name in list(files)[: -2 * MOST_FILES]:
            del files[name]
        self._stamps = stamps
        self.files, self.problems = MappingProxyType(files), MappingProxyType(problems)

    def missing(self, name: str) -> str:
        """Return why there is no processor of this name, with its problem or those that there are."""
        if name in self.problems:
            return self.problems[name]
        names = sorted(self.files.keys() & self._stamps.keys())
        there = f"there are {', '.join(names[:20])}" if names else "there are none"
        return f"there is no {name}.py in {self.folder}; {there}"

    def _list(self) -> dict[str, Stamp]:
        found: dict[str, Stamp] = {}
        try:
            with os.scandir(self.folder) as entries:
                for entry in entries:
                    stem, _, end = entry.name.rpartition(".")
                    if end == "py" and is_name(stem):
                        stat = entry.stat()
                        found[stem] = stat.st_mtime_ns, stat.st_size, stat.st_ino
        except OSError:  # it does not exist, or a file went meanwhile
            return found
        return dict(sorted(found.items())[:MOST_FILES])
