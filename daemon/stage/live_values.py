"""`LiveValues`: the values of the live parameters by address, with a revision counter and change subscriptions."""

import threading
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from daemon.stage.preset_saver import LoadedPreset
from daemon.stage.subscriptions import ChangeQueue, Subscriptions
from presets.fades import Change
from presets.parameter_table import PARAMETERS, Value, snapshot
from presets.parameters import Parameters
from presets.taken_message import LOOKS, RESTART, ShowStart, TakenMessage, TempoMark, prompt_arguments

Note = Callable[[TakenMessage], None]
"""Takes note of a message. It is called with the lock held, and returns at once."""

_NO_TEMPO = TempoMark(0, 0.0, 120.0)


class StoreState(NamedTuple):
    """Parameters of one revision, and the revisions of the last preset and the last panic."""

    snapshot: tuple[int, Parameters]
    """The newest revision and its parameters."""
    look_revision: int
    """Revision that the last loaded preset made; 0 if there was none."""
    panic_revision: int
    """Revision that the last panic made; 0 if there was none."""
    cut_revision: int
    """Revision that applies at once, whatever `morph` says: that of the last panic or restart; 0 if there was none."""

    def change_since(self, revision: int) -> Change:
        """Return what changed the parameters since a revision. Of several causes the most abrupt counts."""
        if self.cut_revision > revision:
            return Change.CUT
        return Change.PRESET if self.look_revision > revision else Change.CONTROL


class LiveValues:
    """Store of coerced values. Every method may be called from any thread.

    The lock is held for dict work only. Callbacks run after it is released.
    """

    def __init__(self, values: Mapping[str, Value], loaded: LoadedPreset) -> None:
        """Take `values` by address. A missing value has its default. `loaded` is the preset that panic restores."""
        self.on_panic: Callable[[int], None] = lambda revision: None
        """Called on a panic, with its revision. Pictures of older revisions are not shown any more."""
        self.coming: tuple[str, ...] = ()
        """Texts of a look that waits for its beat. A renderer encodes them before it comes."""
        self._lock = threading.Lock()
        self._subscriptions = Subscriptions(self._lock)
        self._watchers: tuple[Callable[[], None], ...] = ()
        self._values = {address: parameter.default for address, parameter in PARAMETERS.items()} | dict(values)
        self._loaded = loaded
        self._revision = 1
        self._look_revision = 0
        self._panic_revision = 0
        self._cut_revision = 0
        self._note: Note | None = None
        self._state = StoreState((0, Parameters()), 0, 0, 0)

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
            revisions = self._look_revision, self._panic_revision, self._cut_revision
        # Two threads may both build one. If the older is kept last, its revision shows it at the next call.
        self._state = state = StoreState((revision, snapshot(values)), *revisions)
        return state

    def snapshot(self) -> tuple[int, Parameters]:
        """Return the newest revision and its parameters."""
        return self.standing().snapshot

    def watch_revision(self, changed: Callable[[], None]) -> None:
        """Have `changed` called after every new revision, on the thread that made it. It must return at once."""
        with self._lock:
            self._watchers = (*self._watchers, changed)

    def announce(self, texts: Sequence[str]) -> None:
        """Have texts encoded before they are wanted; none ends that."""
        known, self.coming = self.coming, tuple(texts)
        if self.coming and self.coming != known:
            self.wake()

    def wake(self) -> None:
        """Call the watchers, without a new revision."""
        for changed in self._watchers:
            changed()

    def values(self) -> dict[str, Value]:
        """Return the wanted value of every parameter, by address."""
        with self._lock:
            return dict(self._values)

    def value(self, address: str) -> Value:
        """Return the wanted value of one parameter. `values` copies them all."""
        return self._values[address]

    def is_as_loaded(self) -> bool:
        """Return True if the values are still those of the loaded preset."""
        with self._lock:
            return self._loaded.holds(self._values)

    def subscribe(self, surface: str, wake: Callable[[], None]) -> ChangeQueue:
        """Subscribe to changes. A sender whose name starts with `surface` does not get the address it sent itself."""
        return self._subscriptions.add(surface, wake)

    def note_messages(self, note: Note | None) -> tuple[dict[str, Value], LoadedPreset]:
        """Have `note` called with every message that is taken from now on. Return the values and the preset of now."""
        with self._lock:
            self._note = note
            return dict(self._values), self._loaded

    def note(self, message: TakenMessage) -> None:
        """Note a message that changes no value here: one that opens a source or a sink."""
        with self._lock:
            if self._note is not None:
                self._note(message)

    def change(
        self,
        wanted: Mapping[str, Value],
        sender: str,
        sent: str,
        loaded: LoadedPreset | None = None,
        panic: bool = False,
        is_new_look: bool = False,
        is_message: bool = True,
    ) -> None:
        """Set the values as one new revision. If nothing changes there is no new revision, except for a cut.

        Args:
            wanted: Coerced values by address.
            sender: Name of who wants them.
            sent: Address of the message. `RESTART` and a panic cut.
            loaded: The preset that panic restores from now on.
            panic: True for a panic.
            is_new_look: True if the values are a whole preset.
            is_message: False if they are the outcome of an earlier message, and not to be noted.
        """
        is_cut = panic or sent == RESTART
        with self._lock:
            if loaded is not None:
                self._loaded = loaded
            if self._note is not None and is_message:
                self._note(self._taken(wanted, sender, sent, loaded, panic))
            changes = {address: value for address, value in wanted.items() if self._values[address] != value}
            if not changes and not is_cut:
                return
            self._values.update(changes)
            self._revision += 1
            revision = self._revision
            if panic:
                self._panic_revision = revision
            if is_cut:
                self._cut_revision = revision
            if is_new_look:
                self._look_revision = revision
            queues = self._subscriptions.publish(changes, sender, sent)
            watchers = self._watchers
        if panic:
            self.on_panic(revision)
        for changed in watchers:
            changed()
        self._subscriptions.wake(queues)

    def set_one(self, address: str, value: Value, sender: str) -> None:
        """Set one coerced value, as `change` does."""
        with self._lock:
            if self._note is not None:
                self._note(TakenMessage(address, (value,), sender))
            if self._values[address] == value:
                return
            self._values[address] = value
            self._revision += 1
            queues = self._subscriptions.publish({address: value}, sender, address)
            watchers = self._watchers
        for changed in watchers:
            changed()
        if queues:
            self._subscriptions.wake(queues)

    def _taken(
        self, wanted: Mapping[str, Value], sender: str, sent: str, loaded: LoadedPreset | None, panic: bool
    ) -> TakenMessage:
        """Return a change as the message that makes it, in plain form. The caller holds the lock."""
        if sent == RESTART:
            start = ShowStart({**self._values, **wanted}, self._loaded.name, self._loaded.values, _NO_TEMPO, 0)
            return TakenMessage(RESTART, (), sender, start=start)
        if loaded is not None:
            # A neighbour and a cue too are a preset by name.
            return TakenMessage(sent if sent in LOOKS else "/preset", (loaded.name,), sender, values=loaded.values)
        if panic:
            return TakenMessage(sent, (), sender, values=wanted)
        if sent == "/prompt":
            return TakenMessage(sent, prompt_arguments(wanted), sender)
        return TakenMessage(sent, (wanted[sent],) if sent in wanted else (), sender)
