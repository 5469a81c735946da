"""Presets that others extend: found by their names, read, and merged key by key.

A base is a preset of the same folder or a shipped one. A preset that extends its own name changes the shipped one.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from types import MappingProxyType
from typing import Any

from presets.errors import PresetError
from presets.files import Preset
from presets.parameter_table import PARAMETERS, Value
from presets.preset_keys import PRESET_KEYS, emptied_by
from presets.preset_names import folded, unknown_name

MOST_BASES = 8
"""Most presets that extend one another."""


class PresetListing:
    """Files of presets by name, as they were found."""

    def __init__(self, own: Mapping[str, Path], shipped: Mapping[str, Path]) -> None:
        """Take those of a folder, and the shipped ones."""
        self.own = own
        self.shipped = shipped

    def together(self) -> dict[str, tuple[Path, bool]]:
        """Return each path, with True for the shipped ones that no preset of the folder replaces, in any case."""
        replaced = {name.casefold() for name in self.own}
        kept = {name: (path, True) for name, path in self.shipped.items() if name.casefold() not in replaced}
        return kept | {name: (path, False) for name, path in self.own.items()}

    def base(self, name: str, path: Path) -> Path | None:
        """Return the file of the preset that the one at `path` extends, None if there is none."""
        alike = folded(name)
        found: list[Path | None] = [self.own.get(name), *self._own_alike.get(alike, ())]
        found += [self.shipped.get(name), *self._shipped_alike.get(alike, ())]
        for file in found:
            if file is not None and file != path:
                return file
        return None

    def names(self, path: Path) -> list[str]:
        """Return the names that the preset at `path` may extend."""
        return sorted({name for files in (self.own, self.shipped) for name, file in files.items() if file != path})

    @cached_property
    def _own_alike(self) -> Mapping[str, list[Path]]:
        return _by_folded_name(self.own)

    @cached_property
    def _shipped_alike(self) -> Mapping[str, list[Path]]:
        return _by_folded_name(self.shipped)


def _by_folded_name(files: Mapping[str, Path]) -> Mapping[str, list[Path]]:
    """Return the files of each name in which case, spaces, - and _ are alike."""
    found: dict[str, list[Path]] = {}
    for name, file in files.items():
        found.setdefault(folded(name), []).append(file)
    return found


def whole_preset(path: Path, read: Callable[[Path], Preset], listing: Callable[[], PresetListing]) -> Preset:
    """Return the preset at `path` with the values of those that it extends, each with its origin.

    `read` returns what a file itself names, `listing` the presets that it may extend. Raises `PresetError`, with line
    and column of the ``extends`` that leads nowhere.
    """
    presets = [read(path)]
    files = [path]
    while (base := presets[-1].extends) is not None:
        place = f"{files[-1]}:{base.line}:{base.column}: extends"
        there = listing()
        found = there.base(base.name, files[-1])
        if found is None:
            raise PresetError(f"{place}: {unknown_name(base.name, there.names(files[-1]))}")
        if found in files:
            round_trip = ", ".join(file.stem for file in [*files[files.index(found) :], found])
            raise PresetError(f"{place}: a preset can't extend itself: {round_trip}")
        if len(files) > MOST_BASES:
            raise PresetError(f"{place}: at most {MOST_BASES} presets can extend one another")
        try:
            presets.append(read(found))
        except PresetError as error:
            raise PresetError(f"{place} {base.name}, which can't be read: {error}") from error
        files.append(found)
    if len(files) == 1:
        return replace(presets[0], files=(path,))
    values, origins = _merged(presets, files)
    numbers = next((preset.numbers for preset in presets if "processor" in preset.values), ())
    return replace(presets[0], values=values, numbers=numbers, origins=origins, files=tuple(files))


def inherited(base: Mapping[str, Any], own: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values of a base with those of the preset that extends it over them.

    Its lists take the place of the base's. A preset that names another model, ControlNet or IP-Adapter has no engine
    and no adapters of the base's.
    """
    merged = dict(base)
    for key in emptied_by(own):
        merged.pop(key, None)
    return merged | dict(own)


def values_beside(
    base: Preset, wanted: Preset, plain: Callable[[Preset], Mapping[str, Value]]
) -> dict[str, Any] | None:
    """Return the values that a preset names itself to be as `wanted` when it extends `base`.

    `plain` returns a preset's values by address. None means that there are none: `base` names a model or the like,
    which `wanted` leaves as it is.
    """
    own: dict[str, Any] = {}
    goal = plain(wanted)
    while True:  # what is named may empty other keys, so that they have to be named too
        numbers = () if "processor" in own else base.numbers
        got = plain(replace(base, values=inherited(base.values, own), numbers=numbers))
        if not got.keys() <= goal.keys():
            return None
        differing = {PARAMETERS[address].key for address in goal if got.get(address) != goal[address]} - own.keys()
        if not differing:
            return {key: own[key] for key in PRESET_KEYS if key in own}
        own |= {key: wanted.values[key] for key in differing}


def _merged(presets: list[Preset], files: list[Path]) -> tuple[Mapping[str, Any], Mapping[str, Path]]:
    """Return the values of presets that extend one another, in the order of the declaration, and their files."""
    merged: dict[str, tuple[Any, Path]] = {}
    for preset, file in zip(reversed(presets), reversed(files), strict=True):
        merged = inherited(merged, {key: (value, file) for key, value in preset.values.items()})
    keys = [key for key in PRESET_KEYS if key in merged]
    return MappingProxyType({key: merged[key][0] for key in keys}), MappingProxyType(
        {key: merged[key][1] for key in keys}
    )
