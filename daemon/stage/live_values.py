"""`LiveValues`: the values of the live parameters by address, with a revision counter and change subscriptions."""

import threading
from collections.abc import Callable, Mapping
from typing import NamedTuple

from daemon.stage.preset_saver import LoadedPreset
from daemon.stage.subscriptions import ChangeQueue, Subscriptions
from presets.parameter_table import PARAMETERS, Value, snapshot
from presets.parameters import Parameters


class StoreState(NamedTuple):
    """Parameters of one revision, and the revisions of the last preset and the last panic."""

    snapshot: tuple[int, Parameters]
    """The newest revision and its parameters."""
    look_revision: int
    """Revision that the last loaded preset made; 0 if there was none."""
    panic_revision: int
    """Revision that the last panic made; 0 if there was none."""


class LiveValues:
    """Store of coerced values. Every method may be called from any thread.

    The lock is held for dict work only. Callbacks run after it is released.
    """

    def __init__(self, values: Mapping[str, Value], loaded: LoadedPreset) -> None:
        """Take `values` by address. A missing value has its default. `loaded` is the preset that panic restores."""
        self.on_panic: Callable[[int], None] = lambda revision: None
        """Called on a panic, with its revision. Pictures of older revisions are not shown any more."""
        self._lock = threading.Lock()
        self._subscriptions = Subscriptions(self._lock)
        self._watchers: tuple[Callable[[], None], ...] = ()
        self._values = {address: parameter.default for address, parameter in PARAMETERS.items()} | dict(values)
        self._loaded = loaded
        self._revision = 1
        self._look_revision = 0
        self._panic_revision = 0
        self._state = StoreState((0, Parameters()), 0, 0)

    @property
    def wanted(self) -> int:
        """The newest revision."""
        return self._revision

    def standing(self) -> StoreState:
        """Return the newest revision and its parameters, built once per revision."""
        state = self._state
        if state.snapshot[0] == self._revision:
            return state
        with self._lock:
            revision, values = self._revision, dict(self._values)
            look, panic = self._look_revision, self._panic_revision
        # Two threads may both build one. If the older is kept last, its revision shows it at the next call.
        self._state = state = StoreState((revision, snapshot(values)), look, panic)
        return state

    def snapshot(self) -> tuple[int, Parameters]:
        """Return the newest revision and its parameters."""
        return self.standing().snapshot

    def watch_revision(self, changed: Callable[[], None]) -> None:
        """Have `changed` called after every new revision, on the thread that made it. It must return at once."""
        with self._lock:
            self._watchers = (*self._watchers, changed)

    def values(self) -> dict[str, Value]:
        """Return the wanted value of every parameter, by address."""
        with self._lock:
            return dict(self._values)

    def value(self, address: str) -> Value:
        """Return the wanted value of one parameter. `values` copies them all."""
        return self._values[address]

    def subscribe(self, surface: str, wake: Callable[[], None]) -> ChangeQueue:
        """Subscribe to changes. A sender whose name starts with `surface` does not get the address it sent itself."""
        return self._subscriptions.add(surface, wake)

    def _change(
        self,
        wanted: Mapping[str, Value],
        sender: str,
        sent: str,
        loaded: LoadedPreset | None = None,
        panic: bool = False,
        is_new_look: bool = False,
    ) -> None:
        """Set the values as one new revision. If nothing changes there is no new revision, except for a panic.

        `loaded` is the preset that panic restores from now on. `is_new_look` is True if the values are a whole preset.
        """
        with self._lock:
            changes = {address: value for address, value in wanted.items() if self._values[address] != value}
            if loaded is not None:
                self._loaded = loaded
            if not changes and not panic:
                return
            self._values.update(changes)
            self._revision += 1
            revision = self._revision
            if panic:
                self._panic_revision = revision
            if is_new_look:
                self._look_revision = revision
            queues = self._subscriptions.publish(changes, sender, sent)
            watchers = self._watchers
        if panic:
            self.on_panic(revision)
        for changed in watchers:
            changed()
        self._subscriptions.wake(queues)
