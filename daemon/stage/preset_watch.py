"""`PresetWatch`: loads the preset on air again when its file is saved by an editor."""

import os
import threading
from pathlib import Path

from daemon.shared.threads import restart_on_crash
from daemon.stage.parameter_store import ParameterStore
from presets.atomic_write import remove_dead_leftovers
from presets.errors import PresetError
from presets.library import Library

SENDER = "file"
"""Name of the sender of a preset that is loaded again."""

_OF_A_CUE = {"/preset", "/morph", "/morph_beats"}
"""Values that a preset may be loaded without: a cue has its own morph."""

Stamp = tuple[int, int, int]
"""Time of change, size and inode of a file."""


class PresetWatch:
    """Looks at the file of the preset on air and those of the presets that it extends. One thread only.

    A file that `/save` or `/undo_save` wrote is not loaded, because the controls may have moved since. One that was
    changed and can't be loaded is refused like any other message, once for each change: what is on air stays, and the
    log and the page say why. A file that is gone changes nothing.
    """

    def __init__(self, library: Library, store: ParameterStore) -> None:
        self._library = library
        self._store = store
        self._known: tuple[str, dict[Path, Stamp | None]] = "", {}

    def start(self, stop: threading.Event, seconds: float) -> None:
        """Look so often, until `stop` is set, on a thread of its own: a folder may hang.

        What writers that were killed have left in the folder is removed first.
        """

        def run() -> None:
            remove_dead_leftovers(self._library.folder)
            while not stop.wait(seconds):
                self.look()

        work = restart_on_crash("the watch of presets", run, stop.is_set)
        threading.Thread(target=work, name="preset-watch", daemon=True).start()

    def look(self) -> None:
        """Load the preset on air again if one of its files has changed since the last look."""
        name = str(self._store.value("/preset"))
        last_name, last = self._known
        known = last if last_name == name else dict.fromkeys(self._files(name))
        now = {path: stamp_of(path) for path in known}
        self._known = name, now
        changed = [path for path, stamp in now.items() if stamp is not None and known[path] not in (None, stamp)]
        if last_name != name and self._was_saved_since(name):
            changed = [self._path(name)]
        if not changed:
            return
        try:
            if all(self._store.saver.is_own(path) for path in changed):
                return
            values = self._library.resolve(name)
            self._store.check_lock(name, values)
            self._store.load("/preset", name, values, SENDER, None)
            self._known = name, {path: now.get(path, stamp_of(path)) for path in self._files(name)}
        except PresetError as error:
            # The name alone, because a refusal is cut, and its place in the file comes after the path.
            problem = str(error).splitlines()[0].replace(f"{changed[0].parent}{os.sep}", "")
            self._store.refused(SENDER, f"not loaded: {problem}")

    def _was_saved_since(self, name: str) -> bool:
        """Return True if the files of a preset say something else than when it was loaded, before the first look."""
        loaded = self._store.loaded()
        try:
            there = self._library.resolve(name)
        except PresetError:
            return loaded.name == name and stamp_of(self._path(name)) is not None
        return loaded.name == name and any(loaded.values.get(at) != there[at] for at in there.keys() - _OF_A_CUE)

    def _files(self, name: str) -> tuple[Path, ...]:
        """Return the files that the preset is read from; of one that can't be read, its own."""
        own = self._path(name)
        try:
            return own, *self._library.whole(name).files[1:]
        except PresetError:
            return (own,)

    def _path(self, name: str) -> Path:
        try:
            return self._library.user_path(name)
        except PresetError:  # a path given on the command line
            return Path(name)


def stamp_of(path: Path) -> Stamp | None:
    """Return what tells one saved state of a file from another; None for no file."""
    try:
        stat = path.stat()
    except (OSError, ValueError):
        return None
    return stat.st_mtime_ns, stat.st_size, stat.st_ino
