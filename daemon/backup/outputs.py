"""`Outputs`: opens the sinks of a show when it goes on air, and closes them when it leaves."""

from collections.abc import Callable

from daemon.shared.clock import NS
from daemon.stage.opened_places import ADD_SINK
from daemon.stage.sink_changes import REMOVE
from io_bridges.show_control import ControlReply, Later

AGAIN = 0.2
"""Seconds between two attempts to open a sink: the other show may hold its port for a moment."""
PATIENT = 2.0
"""Seconds of such attempts. Those that come later have two seconds between them."""

SENDER = "backup"

ChangeSinks = Callable[[str, str, str, Later | None], ControlReply]


class Outputs:
    """Sinks that are wanted on air. One thread at a time may call it."""

    def __init__(self, change: Callable[[], ChangeSinks | None], uris: Callable[[], list[str]]) -> None:
        """`change` returns what opens and closes sinks, `uris` returns those that are open or being opened."""
        self._change = change
        self._uris = uris
        self.wanted: tuple[str, ...] = ()
        """Sinks to open when the show goes on air."""
        self._missing: set[str] = set()
        self._closing: set[str] = set()
        self._tried = self._turned = -NS
        self._is_open: bool | None = None

    def open(self, now: int) -> None:
        """Open the wanted sinks, each as soon as it can be opened."""
        self._is_open, self._turned = True, now
        self._missing = set(self.wanted)
        self._try(now)

    def close(self, now: int) -> None:
        """Close every sink of the show."""
        self._is_open, self._turned = False, now
        self._closing.clear()
        self._try(now)

    def keep(self, now: int) -> None:
        """Try again what is not open or closed yet. Call it several times a second. Before any turn it does nothing."""
        pause = AGAIN if now - self._turned < PATIENT * NS else PATIENT
        if self._is_open is not None and now - self._tried >= pause * NS:
            self._try(now)

    def _try(self, now: int) -> None:
        self._tried = now
        change, open_now = self._change(), self._uris()
        if change is None:
            return
        if not self._is_open:
            for uri in set(open_now) - self._closing:  # one that is still being opened is closed later
                if change(REMOVE, uri, SENDER, None).accepted:
                    self._closing.add(uri)
            return
        for uri in sorted(self._missing, key=self.wanted.index):
            if uri not in open_now:
                change(ADD_SINK, uri, SENDER, self._opened(uri))

    def _opened(self, uri: str) -> Later:
        def note(reply: ControlReply) -> None:
            if reply.accepted:
                self._missing.discard(uri)  # one that is removed by hand stays away

        return note
