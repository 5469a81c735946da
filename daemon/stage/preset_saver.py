"""The preset that a show plays, and `PresetSaver`, which saves presets and undoes saves.

A preset takes the place of a shipped one only after a second request.
"""

import contextlib
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

from presets.atomic_write import write_atomically
from presets.declaration import Effect
from presets.errors import ConfirmationNeeded, PresetError
from presets.files import read_bytes
from presets.library import Library
from presets.parameter_table import PARAMETERS, Value
from presets.preset_keys import RIG_KEYS
from presets.strict_yaml import MAX_BYTES

CONFIRM_WITHIN = 10.0
"""Seconds in which the second `/save` of a shipped preset's name counts as a yes."""

MOST_UNDONE = 20
"""Saves that can be undone; the oldest of more is forgotten."""

PANIC_DEFAULTS: Mapping[str, Value] = MappingProxyType(
    {
        address: parameter.default
        for address, parameter in PARAMETERS.items()
        if parameter.effect is Effect.OUTPUT and not parameter.stays
    }
)
"""Values that panic sets where the preset has none: freeze, blackout and everything else that changes the output."""


class LoadedPreset(NamedTuple):
    """The preset that a show plays."""

    name: str
    """A name, or the path given on the command line."""
    values: Mapping[str, Value]
    """Its values by address. Panic restores them."""

    def panic_values(self) -> dict[str, Value]:
        """Return the values that panic sets. It starts no renderer and opens no source, so their keys are left out."""
        own = {address: value for address, value in self.values.items() if PARAMETERS[address].key not in RIG_KEYS}
        return {**PANIC_DEFAULTS, **own}

    def holds(self, current: Mapping[str, Value]) -> bool:
        """Return True if these values are its own. Model and source do not count."""
        own = {address: value for address, value in self.values.items() if PARAMETERS[address].key not in RIG_KEYS}
        return all(current[address] == value for address, value in own.items())

    def values_to_save(self, current: Mapping[str, Value]) -> dict[str, Value]:
        """Return the current values that belong in a preset. Model and source do only if the loaded preset has them."""
        own = self.values.keys() - {"/preset"}
        return {address: value for address, value in current.items() if belongs_to_presets(address) or address in own}


def belongs_to_presets(address: str) -> bool:
    """Return True for a parameter that every preset has. Model, size, source and output switches are not."""
    return PARAMETERS[address].in_presets and PARAMETERS[address].key not in RIG_KEYS


def opening_preset(library: Library, values: Mapping[str, Value]) -> tuple[LoadedPreset, str]:
    """Return the preset that a show with these values begins with, and why it can't be loaded (empty if it can).

    A preset that is gone is replaced by the values themselves.
    """
    name, problem = str(values["/preset"]), ""
    if name:
        try:
            return LoadedPreset(name, library.resolve(name)), ""
        except PresetError as error:
            problem = str(error)
    own = {address: value for address, value in values.items() if belongs_to_presets(address)}
    return LoadedPreset(name, own), problem


class SavedPreset(NamedTuple):
    """One save, with everything that undoes it."""

    name: str
    path: Path
    replaced: bytes | None
    """Content of the file before; None if there was none."""
    written: bytes
    """Content of the file after."""
    loaded: LoadedPreset
    """The preset that was loaded before."""


class PresetSaver:
    """Writes to the user's presets. Any thread may call it; the calls wait for the disk."""

    def __init__(self, library: Library, now: Callable[[], float] = time.monotonic) -> None:
        """`now` returns seconds on a monotonic clock."""
        self._library = library
        self._now = now
        self._lock = threading.Lock()
        self._saved: deque[SavedPreset] = deque(maxlen=MOST_UNDONE)
        self._newest: tuple[Path, bytes] | None = None
        """The file that was written last, and its content."""
        self._asked: tuple[str, str, float] | None = None

    def save(self, name: str, values: Mapping[str, Value], sender: str, loaded: LoadedPreset) -> str:
        """Save a preset and return a sentence that says where.

        Raises:
            ConfirmationNeeded: The name is that of a shipped preset, and the sender has not sent the same again.
            PresetError: No preset can have this name, or the file can't be written.
        """
        with self._lock:
            path = self._library.user_path(name)
            shipped = self._library.is_shipped(name)
            if shipped and not self._is_confirmed(name, sender):
                raise ConfirmationNeeded(
                    f"{name} is a shipped preset. Send /save {name} again within {CONFIRM_WITHIN:.0f} s to replace it."
                )
            replaced = read_bytes(path) if path.is_file() else None
            if replaced is not None and len(replaced) > MAX_BYTES:
                raise PresetError(f"{path} is larger than a preset can be; it is left as it is")
            self._library.save(name, values)
            written = read_bytes(path)
            self._newest = path, written
            self._saved.append(SavedPreset(name, path, replaced, written, loaded))
            base = None
            with contextlib.suppress(PresetError):
                base = self._library.load(name).extends
        differing = f" with what differs from {base.name}" if base else ""
        undo = "; /undo_save brings back what it replaced" if shipped or replaced is not None else ""
        return f"saved as {path}{differing}{undo}"

    def undo(self) -> tuple[SavedPreset, str]:
        """Undo the newest save. Return it, with a sentence about the outcome.

        Raises:
            PresetError: There is none, or the file was changed by another program since.
        """
        with self._lock:
            if not self._saved:
                raise PresetError("there is no save to undo")
            saved = self._saved.pop()
            try:
                if not saved.path.is_file() or read_bytes(saved.path) != saved.written:
                    raise PresetError(f"{saved.path} was changed since it was saved; it is left as it is")
                if saved.replaced is None:
                    saved.path.unlink()
                else:
                    write_atomically(saved.path, saved.replaced)
                    self._newest = saved.path, saved.replaced
            except OSError as error:
                self._saved.append(saved)
                raise PresetError(f"{saved.path}: it can't be restored: {error.strerror or error}") from error
            shipped = saved.replaced is None and self._library.is_shipped(saved.name)
        if shipped:
            return saved, f"the shipped preset {saved.name} is back"
        return saved, f"{saved.name} is removed" if saved.replaced is None else f"{saved.name} is as it was before"

    def is_own(self, path: Path) -> bool:
        """Return True if the file is as the newest save or undo left it. Raises `PresetError` if it can't be read."""
        with self._lock:
            return self._newest is not None and self._newest[0] == path and self._newest[1] == read_bytes(path)

    def _is_confirmed(self, name: str, sender: str) -> bool:
        """Return True at the second request for `name` from one kind of surface within the time limit.

        A sender's port is not compared: some programs send each message from another one.
        """
        kind, now = sender.partition(":")[0], self._now()
        asked, self._asked = self._asked, (name, kind, now)
        if asked is not None and asked[:2] == (name, kind) and now - asked[2] <= CONFIRM_WITHIN:
            self._asked = None
            return True
        return False
