"""Preset library: the shipped presets, and those in the user's folder, which take precedence.

Names come from the wire, paths never do: only `Library.resolve` and `Library.complete`, for the command line, take one.
"""

import contextlib
import importlib.resources
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import platformdirs

from presets.atomic_write import write_atomically
from presets.errors import PresetError
from presets.files import KEPT_KEYS, PRESET_KEYS, Preset, SourceProblem, read_bytes, read_preset, write_preset
from presets.parameter_table import Value, snapshot

MAX_PRESETS = 1000
"""Most presets of the user, so that a stuck save button does not fill the disk."""

ORDER_FILE = "order.txt"
"""Names of the user's presets, one per line, in the order of the number keys and `/next`. It may be edited."""

_SUFFIXES = (".yaml", ".yml")
_NAME = re.compile(r"[A-Za-z0-9_-](?:[A-Za-z0-9 _-]{0,62}[A-Za-z0-9_-])?")
_DEVICE = re.compile(r"(?:con|prn|aux|nul|com[0-9]|lpt[0-9])", re.IGNORECASE)  # Windows opens these instead of a file


@dataclass(frozen=True, slots=True)
class LibraryEntry:
    """One preset in the library. A broken one is listed too, with its error."""

    name: str
    path: Path
    shipped: bool
    preset: Preset | None
    error: str = ""
    """Every problem, one per line; empty for a preset that can be loaded."""


class Library:
    """The shipped presets and one folder of the user's. Safe to use from several threads at once."""

    def __init__(self, folder: Path | None = None, source_problem: SourceProblem | None = None) -> None:
        """Use `folder` for the user's presets; it need not exist. The default is in the platform's configuration.

        `source_problem` checks the sources that presets name; without it they are not checked.
        """
        self._source_problem = source_problem
        self.folder = folder or Path(platformdirs.user_config_dir("streamflow-live", appauthor=False)) / "presets"
        self.listing_error = ""
        """Reason why the user's folder could not be listed the last time; empty if it could."""
        self.values_left_out: Callable[[Preset], Mapping[str, Value]] = lambda preset: {}
        """Returns the values by address that a preset leaves to its processors."""
        self._read: dict[Path, tuple[tuple[int, int, int], LibraryEntry]] = {}

    def entries(self) -> list[LibraryEntry]:
        """Return every preset in the order of the number keys.

        The shipped presets come first, by the alphabet, each replaced by a user's preset of the same name. The others
        of the user follow in the order of `ORDER_FILE`, which `save` extends, and then by the alphabet.
        """
        paths = self._paths()
        shipped = {path.stem.casefold() for path in self._shipped_files()}
        saved = {name: place for place, name in enumerate(self._saved_order())}

        def place(name: str) -> tuple[bool, int, str, str]:
            own = name.casefold() not in shipped
            return own, saved.get(name, len(saved)) if own else 0, name.casefold(), name

        return [self._entry(*paths[name]) for name in sorted(paths, key=place)]

    def names(self) -> list[str]:
        """Return the names of the presets that can be loaded, in the order of the number keys."""
        return [entry.name for entry in self.entries() if entry.preset is not None]

    def read(self, path: Path) -> Preset:
        """Return the preset in a file, checked as those of the library are. Raises `PresetError`."""
        return read_preset(path, self._source_problem)

    def load(self, name: str) -> Preset:
        """Return the preset of that name; case, spaces, - and _ are alike. Raises `PresetError` if there is none.

        A broken file of the user's raises too; the shipped preset of that name does not take its place.
        """
        return self.find(name)[1]

    def recall(self, name: str) -> dict[str, Value]:
        """Return the preset of that name as plain values by address, with ``/preset``. Raises `PresetError`."""
        entry, preset = self.find(name)
        return {**preset.addresses(), **self.values_left_out(preset), "/preset": entry.name}

    def resolve(self, name_or_path: str) -> dict[str, Value]:
        """Return what `recall` does for a name or the path of a .yaml file, as typed on the command line."""
        if _is_path(name_or_path):
            preset = self.read(Path(name_or_path))
            return {**preset.addresses(), **self.values_left_out(preset), "/preset": name_or_path}
        return self.recall(name_or_path)

    def complete(self, name_or_path: str) -> Preset:
        """Return the preset with the defaults that its file leaves out, except `KEPT_KEYS`. Raises `PresetError`."""
        preset = self.read(Path(name_or_path)) if _is_path(name_or_path) else self.load(name_or_path)
        addresses = preset.addresses()
        return replace(preset, values=_fields(addresses))

    def save(self, name: str, values: Mapping[str, Value], description: str | None = None) -> Path:
        """Save plain values by address as a preset of the user's, over one of that name if there is one.

        Keys in `KEPT_KEYS` are written only if `values` has them. Without a description, that of the old file stays.
        Raises `PresetError` for a name that a preset can't have, and if the file can't be written.
        """
        path = self.user_path(name)
        there = self._user_files()
        if path not in there and len(there) >= MAX_PRESETS:
            raise PresetError(f"{self.folder} holds {MAX_PRESETS} presets already; delete some first")
        # Faders send float32: 0.3 arrives as 0.30000001192092896.
        tidy = {key: float(f"{value:.6g}") if isinstance(value, float) else value for key, value in values.items()}
        if description is None:
            paths = self._paths()
            before = self._entry(*paths[name]).preset if name in paths else None
            description = before.description if before else ""
        order = [entry.path.stem for entry in self.entries() if not entry.shipped]
        write_preset(path, Preset(name, description, _fields(tidy)))
        if path not in there:
            with contextlib.suppress(OSError):  # the preset is saved; without the file it has its alphabetical place
                write_atomically(self.folder / ORDER_FILE, "".join(f"{each}\n" for each in [*order, name]).encode())
        return path

    def is_shipped(self, name: str) -> bool:
        """Return True if `name`, in any case, is a shipped preset that the user has not replaced."""
        return any(shipped and known.casefold() == name.casefold() for known, (_, shipped) in self._paths().items())

    def user_path(self, name: str) -> Path:
        """Return the path at which `save` writes a preset. Raises `PresetError` for a name no preset can have."""
        path = self.folder / f"{check_name(name)}.yaml"
        return next((each for each in self._user_files() if each.stem == name), path)

    def neighbour(self, name: str, step: int) -> str:
        """Return the preset `step` places after `name` (before it if negative), round and round.

        From a name that is not there, the next one is the first and the one before is the last.
        Raises `PresetError` if there are no presets.
        """
        names = self.names()
        if not names:
            raise PresetError("there are no presets")
        place = names.index(name) if name in names else (-1 if step > 0 else 0)
        return names[(place + step) % len(names)]

    def find(self, name: str) -> tuple[LibraryEntry, Preset]:
        """Return the entry of a preset and its contents. The name is read, and `PresetError` raised, as by `load`."""
        paths = self._paths()
        found = name if name in paths else next((known for known in paths if _folded(known) == _folded(name)), None)
        if found is None:
            raise PresetError(f"there is no preset {name[:64]!r}; {_advice(name, list(paths))}")
        entry = self._entry(*paths[found])
        if entry.preset is None:
            raise PresetError(entry.error)
        return entry, entry.preset

    def _paths(self) -> dict[str, tuple[Path, bool]]:
        paths = {path.stem: (path, True) for path in self._shipped_files()}
        for path in self._user_files():
            for name in [known for known in paths if known.casefold() == path.stem.casefold() and paths[known][1]]:
                del paths[name]
            paths[path.stem] = (path, False)
        return paths

    def _shipped_files(self) -> list[Path]:
        return list(Path(str(importlib.resources.files("presets") / "looks")).glob("*.yaml"))

    def _saved_order(self) -> list[str]:
        try:
            return read_bytes(self.folder / ORDER_FILE).decode("utf-8-sig", errors="replace").splitlines()
        except PresetError:
            return []

    def _user_files(self) -> list[Path]:
        try:
            with os.scandir(self.folder) as files:
                found = [Path(file.path) for file in files if _is_preset_file(file.name)]
        except FileNotFoundError:
            found = []
        except OSError as error:
            # The shipped presets are still there; listing and saving report the error.
            found = []
            self.listing_error = f"{self.folder}: presets can't be listed: {error.strerror or error}"
        else:
            self.listing_error = ""
        return found

    def _entry(self, path: Path, shipped: bool) -> LibraryEntry:
        """Return the entry of a file. It is read again only if it changed, because a page lists once a second."""
        try:
            stat = path.stat()
            stamp = (stat.st_mtime_ns, stat.st_size, stat.st_ino)
        except OSError:
            stamp = (0, 0, 0)  # removed since it was listed, or a broken link; reading it tells
        known = self._read.get(path)
        if known is not None and known[0] == stamp != (0, 0, 0):
            return known[1]
        name = path.stem.encode("utf-8", "replace").decode()  # Linux allows file names that are not text
        try:
            check_name(path.stem)
            entry = LibraryEntry(name, path, shipped, self.read(path))
        except PresetError as error:
            entry = LibraryEntry(name, path, shipped, None, str(error))
        self._read[path] = (stamp, entry)
        return entry


def _folded(name: str) -> str:
    """Return a name in which case, spaces, - and _ are alike."""
    return re.sub(r"[\s_-]+", "-", name.strip()).casefold()


def check_name(name: str) -> str:
    """Return `name` if a preset may have it. Raises `PresetError`."""
    if not _NAME.fullmatch(name) or _DEVICE.fullmatch(name):
        raise PresetError(
            f"{name[:64]!r} can't be a preset's name: use 1 to 64 letters from A to Z, digits, spaces, _ and -"
        )
    return name


def _is_preset_file(name: str) -> bool:
    return name.lower().endswith(_SUFFIXES) and not name.startswith(".")


def _is_path(text: str) -> bool:
    return text.lower().endswith(_SUFFIXES) or "/" in text or os.sep in text


def _fields(values: Mapping[str, Value]) -> dict[str, Any]:
    """Return the field values of a preset from plain values by address."""
    parameters = snapshot(values)
    left_out = {key for key in KEPT_KEYS if f"/{key}" not in values}
    return {key: getattr(parameters, key) for key in PRESET_KEYS if key not in left_out}


def _advice(name: str, names: list[str]) -> str:
    near = get_close_matches(name[:100], names, n=1)
    if near:
        return f"did you mean {near[0]}?"
    return f"there are {', '.join(sorted(names)[:20])}" if names else "there are none"
