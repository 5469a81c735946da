"""Preset library: the shipped presets, and those in the user's folder, which take precedence.

Names come from the wire, paths never do: only `Library.resolve` and `Library.complete`, for the command line, take one.
"""

import contextlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import platformdirs

from presets.atomic_write import write_atomically
from presets.errors import PresetError
from presets.files import Preset, SourceProblem, read_bytes, read_preset, write_preset
from presets.parameter_table import Value, snapshot
from presets.preset_bases import PresetListing, values_beside, whole_preset
from presets.preset_keys import KEPT_KEYS, PRESET_KEYS
from presets.preset_names import check_name, composed, find_name, is_path, preset_files, shipped_files, unknown_name

MAX_PRESETS = 1000
"""Most presets of the user, so that a stuck save button does not fill the disk."""

ORDER_FILE = "order.txt"
"""Names of the user's presets, one per line, in the order of the number keys and `/next`. It may be edited."""


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
        """Returns the values by address that a preset leaves to its processors, or names as they do.

        Raises `PresetError` if they have no such number.
        """
        self._read: dict[Path, tuple[tuple[int, int, int], Preset | PresetError]] = {}

    def entries(self) -> list[LibraryEntry]:
        """Return every preset in the order of the number keys.

        The shipped presets come first, by the alphabet, each replaced by a user's preset of the same name. The others
        of the user follow in the order of `ORDER_FILE`, which `save` extends, and then by the alphabet.
        """
        listing = self._listing()
        paths = listing.together()
        shipped = {name.casefold() for name in listing.shipped}
        saved = {name: place for place, name in enumerate(self._saved_order())}

        def place(name: str) -> tuple[bool, int, str, str]:
            own = name.casefold() not in shipped
            return own, saved.get(name, len(saved)) if own else 0, name.casefold(), name

        return [self._entry(*paths[name], listing) for name in sorted(paths, key=place)]

    def names(self) -> list[str]:
        """Return the names of the presets that can be loaded, in the order of the number keys."""
        return [entry.name for entry in self.entries() if entry.preset is not None]

    def read(self, path: Path) -> Preset:
        """Return the preset in a file, checked as those of the library are, with the values of those that it extends.

        Those are looked up in the folder of the file. Raises `PresetError`.
        """
        return whole_preset(path, self._contents, lambda: PresetListing(preset_files(path.parent)[0], shipped_files()))

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
        if is_path(name_or_path):
            preset = self.whole(name_or_path)
            return {**preset.addresses(), **self.values_left_out(preset), "/preset": name_or_path}
        return self.recall(name_or_path)

    def whole(self, name_or_path: str) -> Preset:
        """Return the preset of that name or path, as its files have it. Raises `PresetError`."""
        return self.read(Path(name_or_path)) if is_path(name_or_path) else self.load(name_or_path)

    def complete(self, name_or_path: str) -> Preset:
        """Return the preset with the defaults that its file leaves out, except `KEPT_KEYS`. Raises `PresetError`."""
        preset = self.whole(name_or_path)
        return replace(preset, numbers=(), values=_fields({**preset.addresses(), **self.values_left_out(preset)}))

    def save(self, name: str, values: Mapping[str, Value], description: str | None = None) -> Path:
        """Save plain values by address as a preset of the user's, over one of that name if there is one.

        Keys in `KEPT_KEYS` are written only if `values` has them. Without a description, that of the old file stays.
        A file that extends another preset goes on doing so, with the values that differ from it.
        Raises `PresetError` for a name that a preset can't have, and if the file can't be written.
        """
        name, path = composed(name), self.user_path(name)
        listing = self._listing()
        is_new = name not in listing.own
        if is_new and len(listing.own) >= MAX_PRESETS:
            raise PresetError(f"{self.folder} holds {MAX_PRESETS} presets already; delete some first")
        tidy = _tidy(values)
        paths = listing.together()
        before = self._entry(*paths[name], listing).preset if name in paths else None
        if description is None:
            description = before.description if before else ""
        order = [entry.name for entry in self.entries() if not entry.shipped]
        preset = Preset(name, description, _fields(tidy))
        write_preset(path, self._beside_base(preset, before, listing) if before and before.extends else preset)
        if is_new:
            with contextlib.suppress(OSError):  # the preset is saved; without the file it has its alphabetical place
                write_atomically(self.folder / ORDER_FILE, "".join(f"{each}\n" for each in [*order, name]).encode())
        return path

    def is_shipped(self, name: str) -> bool:
        """Return True if `name`, in any case, is a shipped preset that the user has not replaced."""
        return any(
            shipped and known.casefold() == name.casefold()
            for known, (_, shipped) in self._listing().together().items()
        )

    def user_path(self, name: str) -> Path:
        """Return the path at which `save` writes a preset. Raises `PresetError` for a name no preset can have."""
        name = check_name(name)
        return self._listing().own.get(name, self.folder / f"{name}.yaml")

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
        listing = self._listing()
        paths = listing.together()
        found = find_name(name, paths)
        if found is None:
            raise PresetError(unknown_name(name, paths))
        entry = self._entry(*paths[found], listing)
        if entry.preset is None:
            raise PresetError(entry.error)
        return entry, entry.preset

    def _listing(self) -> PresetListing:
        own, self.listing_error = preset_files(self.folder)
        return PresetListing(own, shipped_files())

    def _saved_order(self) -> list[str]:
        try:
            return read_bytes(self.folder / ORDER_FILE).decode("utf-8-sig", errors="replace").splitlines()
        except PresetError:
            return []

    def _entry(self, path: Path, shipped: bool, listing: PresetListing) -> LibraryEntry:
        name = path.stem.encode("utf-8", "replace").decode()  # Linux allows file names that are not text
        try:
            name = check_name(path.stem)
            return LibraryEntry(name, path, shipped, whole_preset(path, self._contents, lambda: listing))
        except PresetError as error:
            return LibraryEntry(name, path, shipped, None, str(error))

    def _beside_base(self, preset: Preset, before: Preset, listing: PresetListing) -> Preset:
        """Return the preset with what differs from the one that its file extends, or whole if that can't be."""
        base = whole_preset(before.files[1], self._contents, lambda: listing)
        own = values_beside(base, preset, lambda each: _tidy({**each.addresses(), **self.values_left_out(each)}))
        return preset if own is None else replace(preset, values=own, extends=before.extends)

    def _contents(self, path: Path) -> Preset:
        """Return what a file itself names. It is read again only if it changed, because a page lists once a second.

        Raises `PresetError`.
        """
        try:
            stat = path.stat()
            stamp = (stat.st_mtime_ns, stat.st_size, stat.st_ino)
        except (OSError, ValueError):
            stamp = (0, 0, 0)  # removed since it was listed, or a broken link; reading it tells
        known = self._read.get(path)
        if known is None or known[0] != stamp or stamp == (0, 0, 0):
            contents: Preset | PresetError
            try:
                contents = read_preset(path, self._source_problem)
            except PresetError as error:
                contents = error
            known = self._read[path] = (stamp, contents)
        if isinstance(known[1], PresetError):
            raise PresetError(str(known[1]))
        return known[1]


def _tidy(values: Mapping[str, Value]) -> dict[str, Value]:
    """Return values with six digits. Faders send float32: 0.3 arrives as 0.30000001192092896."""
    return {key: float(f"{value:.6g}") if isinstance(value, float) else value for key, value in values.items()}


def _fields(values: Mapping[str, Value]) -> dict[str, Any]:
    """Return the field values of a preset from plain values by address."""
    parameters = snapshot(values)
    left_out = {key for key in KEPT_KEYS if f"/{key}" not in values}
    return {key: getattr(parameters, key) for key in PRESET_KEYS if key not in left_out}
