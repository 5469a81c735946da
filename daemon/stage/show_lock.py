"""`LockedShow`: a show that refuses what could disturb it while ``/lock`` is on. Looks, faders and panic work as ever.

Presets are checked where they are loaded: `another_renderer` says which of their values would start another renderer.
"""

import time
from collections.abc import Callable, Mapping, Sequence

from daemon.stage.show_wrapper import ShowWrapper
from daemon.stage.source_addresses import SOURCES
from io_bridges.show_control import ControlReply, Later, ShowControl
from presets.declaration import ACTIONS, LOCK, Effect
from presets.parameter_table import PARAMETERS, Value

UNLOCK = f"the show is locked; {LOCK} 0 unlocks it"
"""Reason of every refusal."""

CONFIRM_WITHIN = 5.0
"""Seconds in which a second Ctrl-C ends a locked show."""
ONE_PRESS = 0.5
"""Seconds in which one press of Ctrl-C may come more than once: from the terminal, and from make or a shell."""

_REBUILDS = frozenset(address for address, parameter in PARAMETERS.items() if parameter.effect is Effect.REBUILD)
LOCKED = _REBUILDS | {*SOURCES} | {action.address for action in ACTIONS if action.disturbs}
"""Addresses that a locked show refuses, with all that begin with one of them and a slash."""
_FREE = PARAMETERS.keys() - LOCKED
"""Faders and switches, which are most of all messages."""


class LockedShow(ShowWrapper):
    """Implements `io_bridges.show_control.ShowControl` around a show. Every method may be called from any thread."""

    def __init__(self, show: ShowControl, value: Callable[[str], Value]) -> None:
        """Wrap a show. `value` returns the wanted value of a parameter by its address."""
        super().__init__(show)
        self._value = value

    def apply(self, address: str, arguments: Sequence[object], sender: str, later: Later | None = None) -> ControlReply:
        """Pass a message on, or refuse it because of the lock."""
        if address in _FREE or not self._value(LOCK) or (locked := _locked(address)) is None:
            return self._show.apply(address, arguments, sender, later)
        self.refused(sender, f"{locked}: {UNLOCK}")
        return ControlReply(address, False, None, UNLOCK)


def another_renderer(wanted: Mapping[str, Value], present: Mapping[str, Value]) -> list[str]:
    """Return the addresses of `wanted` values that differ from the `present` ones and start another renderer."""
    return [address for address in wanted if address in _REBUILDS and wanted[address] != present[address]]


class LockedEnd:
    """Has Ctrl-C pressed twice while the show is locked. One thread only."""

    def __init__(self, is_locked: Callable[[], bool], tell: Callable[[str], None]) -> None:
        """`tell` gets the sentence for the terminal."""
        self._is_locked = is_locked
        self._tell = tell
        self._asked = -CONFIRM_WITHIN

    def goes_on(self) -> bool:
        """Return True if the show goes on in spite of a Ctrl-C that came now."""
        now = time.monotonic()
        if not self._is_locked() or ONE_PRESS <= now - self._asked < CONFIRM_WITHIN:
            return False
        if now - self._asked >= CONFIRM_WITHIN:
            self._asked = now
            self._tell(f"The show is locked and goes on. Press Ctrl-C again within {CONFIRM_WITHIN:.0f} s to end it.")
        return True


def _locked(address: str) -> str | None:
    """Return the locked address that a message is for: its own, or that of ``/model/echo`` and ``/width/norm``."""
    parts = address.lower().strip("/").split("/", 3)
    return next((found for end in (1, 2) if (found := "/" + "/".join(parts[:end])) in LOCKED), None)
