"""`ShowWrapper`: a show around another one, to which everything passes through.

The wrappers of `daemon.stage` each change one thing: looks that wait for the beat, the cues of a set list.
"""

import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from io_bridges.show_control import ControlReply, FoundSources, Later, ShowControl, Subscription
from presets.declaration import Action
from presets.parameter_table import Parameter, Value

Cancel = Callable[[], None]
StartTimer = Callable[[float, Callable[[], None]], Cancel]
"""Calls a function after so many seconds, on any thread, unless it is cancelled before."""


class LookControl(ShowControl, Protocol):
    """A show whose presets can be loaded with other values than their own: the store, or a show around it."""

    def recall(self, name: str, instead: Mapping[str, Value], sender: str, later: Later | None = None) -> ControlReply:
        """Load a preset as ``/preset`` does, with the values `instead` in place of its own. Nothing is raised."""


def start_timer(seconds: float, call: Callable[[], None]) -> Cancel:
    """Call a function after so many seconds on a thread of its own. Return the function that cancels it."""
    timer = threading.Timer(seconds, call)
    timer.daemon = True
    timer.start()
    return timer.cancel


class ShowWrapper:
    """Implements `io_bridges.show_control.ShowControl` by another show. Every method may be called from any thread."""

    def __init__(self, show: ShowControl) -> None:
        self._show = show

    @property
    def parameters(self) -> Mapping[str, Parameter]:
        """Every parameter by address."""
        return self._show.parameters

    @property
    def actions(self) -> Mapping[str, Action]:
        """Every action by address."""
        return self._show.actions

    def apply(self, address: str, arguments: Sequence[object], sender: str, later: Later | None = None) -> ControlReply:
        """Set a parameter or perform an action."""
        return self._show.apply(address, arguments, sender, later)

    def find_sources(self, found: Callable[[FoundSources], None]) -> None:
        """Search for the sources that can be opened now."""
        self._show.find_sources(found)

    def values(self) -> dict[str, Value]:
        """Return the wanted value of every parameter by address."""
        return self._show.values()

    def preset_names(self) -> list[str]:
        """Return the names of the presets that can be loaded, in order."""
        return self._show.preset_names()

    def status(self) -> dict[str, object]:
        """Return the state of the show."""
        return self._show.status()

    def refused(self, sender: str, reason: str) -> None:
        """Count a message that could not be understood."""
        self._show.refused(sender, reason)

    def subscribe(self, surface: str, wake: Callable[[], None]) -> Subscription:
        """Subscribe to the changes made by others."""
        return self._show.subscribe(surface, wake)
