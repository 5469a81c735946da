"""`SetListWatch`: reads the set list of a show again when its file is saved."""

import logging
import threading
from collections.abc import Callable, Sequence
from pathlib import Path

from daemon.shared.threads import restart_on_crash
from daemon.stage.control_transport import ControlTransport
from daemon.stage.preset_watch import Stamp, stamp_of
from presets.errors import PresetError
from presets.library import Library
from presets.set_list import Cue, read_set_list

log = logging.getLogger("stage.cues")

SENDER = "set list"
"""Name of the sender of a set list that is refused."""


def watch_set_list(path: Path | None, library: Library, transport: ControlTransport) -> "SetListWatch":
    """Return the watch of the set list of a show, whose controls take the cues."""
    return SetListWatch(path, library, transport.take_cues, transport.store.refused)


class SetListWatch:
    """Looks at the file of a set list. One thread only.

    A file that can't be read is refused as a whole, once for each change: the cues stay as they are, and the log and
    the page say why. A file that is gone changes nothing.
    """

    def __init__(
        self,
        path: Path | None,
        library: Library,
        take: Callable[[Sequence[Cue]], None],
        refused: Callable[[str, str], None],
    ) -> None:
        """`take` gets the cues of each reading, `refused` a sender and why a file was not read. No path is no file."""
        self._path = path
        self._library = library
        self._take = take
        self._refused = refused
        self._known: Stamp | None = None

    def start(self, stop: threading.Event, seconds: float) -> None:
        """Look so often, until `stop` is set, on a thread of its own: a folder may hang."""
        if self._path is None:
            return

        def run() -> None:
            while not stop.wait(seconds):
                self.look()

        work = restart_on_crash("the watch of the set list", run, stop.is_set)
        threading.Thread(target=work, name="set-list-watch", daemon=True).start()

    def look(self) -> None:
        """Read the file if it has changed since the last look. The first look reads it in any case."""
        path = self._path
        if path is None or (stamp := stamp_of(path)) in (None, self._known):
            return
        is_first, self._known = self._known is None, stamp
        try:
            cues = read_set_list(path, self._library)
        except PresetError as error:
            first, *more = str(error).replace(f"{path}:", f"{path.name}:").splitlines()
            # The number first, because a long refusal is cut.
            self._refused(SENDER, f"not read ({len(more) + 1} mistakes): {first}" if more else f"not read: {first}")
            return
        self._take(cues)
        if not is_first:
            log.info("%s was read again: %d cues", path.name, len(cues))
