"""`PresetWatch`: loads the preset on air again when its file is saved by an editor."""

from pathlib import Path

from daemon.stage.parameter_store import ParameterStore
from presets.errors import PresetError
from presets.library import Library

SENDER = "file"
"""Name of the sender of a preset that is loaded again."""

Stamp = tuple[int, int, int]
"""Time of change, size and inode of a file."""


class PresetWatch:
    """Looks at the file of the preset on air. One thread only.

    A file that `/save` or `/undo_save` wrote is not loaded, because the controls may have moved since. One that was
    changed and can't be loaded is refused like any other message, once for each change: what is on air stays, and the
    log and the page say why. A file that is gone changes nothing.
    """

    def __init__(self, library: Library, store: ParameterStore) -> None:
        self._library = library
        self._store = store
        self._known: tuple[str, Stamp] | None = None

    def look(self) -> None:
        """Load the preset on air again if its file has changed since the last look."""
        name = str(self._store.value("/preset"))
        path = self._path(name)
        stamp = _stamp(path)
        known, self._known = self._known, None if stamp is None else (name, stamp)
        if known is not None and stamp is not None and known[0] == name and known[1] != stamp:
            try:
                if self._store.saver.is_own(path):
                    return
                self._store.load("/preset", name, self._library.resolve(name), SENDER, None)
            except PresetError as error:
                # The name alone, because a refusal is cut, and its place in the file comes after the path.
                problem = str(error).splitlines()[0].replace(str(path), path.name)
                self._store.refused(SENDER, f"not loaded: {problem}")

    def _path(self, name: str) -> Path:
        try:
            return self._library.user_path(name)
        except PresetError:  # a path given on the command line
            return Path(name)


def _stamp(path: Path) -> Stamp | None:
    try:
        stat = path.stat()
    except (OSError, ValueError):
        return None
    return stat.st_mtime_ns, stat.st_size, stat.st_ino
