"""`ParameterStore`: what every surface turns and the stage reads. It is the daemon's `io_bridges.show_control.Desk`.

Plain values by address, and a revision that counts up with every change. One lock, held for dict work only: files are
read before it is taken, and callbacks run after it is free.
"""

import threading
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple

from daemon.shared.refusals import Refusals
from daemon.stage.replies import action_text, first_line, no_such_address, only_value, what_was_taken
from daemon.stage.subscriptions import ChangeQueue, Subscriptions
from io_bridges.show_control import ControlReply
from presets.build import REBUILD_KEYS
from presets.errors import ParameterRefused, PresetError
from presets.library import Library
from presets.parameter_table import PARAMETERS, Parameter, Value, snapshot
from presets.parameters import ACTIONS, PROMPTS, Action, Parameters

_ACTIONS: Mapping[str, Action] = MappingProxyType({action.address: action for action in ACTIONS})
_SAFE: Mapping[str, Value] = MappingProxyType({"/freeze": False, "/blackout": False, "/brightness": 1.0})
"""What panic releases, whatever the look."""


class StoreState(NamedTuple):
    """How the parameters stand."""

    snapshot: tuple[int, Parameters]
    """The newest revision and its parameters."""
    look_revision: int
    """The revision that the last loading of a look made; 0 if there was none."""
    panic_revision: int
    """Likewise the last panic."""


class ParameterStore:
    """The live parameters of one show. Every method may be called from any thread."""

    def __init__(
        self,
        library: Library,
        values: Mapping[str, Value] | None = None,
        status: Callable[[], Mapping[str, Any]] | None = None,
    ) -> None:
        """`values` by address to begin with, coerced; the rest are defaults. `status` is what the stage has to tell."""
        self.on_air = 0
        """Revision that the picture on air was admitted with; the stage sets it."""
        self.on_panic: Callable[[int], None] = lambda revision: None
        """Called with the revision that panic made: the picture to wait for has that one or a later."""
        self._library = library
        self._provider = status
        self._lock = threading.Lock()
        self._listeners = Subscriptions(self._lock)
        self._watchers: tuple[Callable[[], None], ...] = ()
        self._refusals = Refusals()
        self._values = {address: parameter.default for address, parameter in PARAMETERS.items()} | dict(values or {})
        self._revision = 1
        self._look_revision = 0
        self._panic_revision = 0
        self._standing = StoreState((0, Parameters()), 0, 0)
        self._look = self._opening_look()
        self._acts: dict[str, Callable[[str, str], ControlReply]] = {
            "/panic": self._panic,
            "/next": lambda _, sender: self._recall("/next", self._neighbour(1), sender),
            "/previous": lambda _, sender: self._recall("/previous", self._neighbour(-1), sender),
            "/save": self._save,
            "/prompt": self._prompt,
            "/preset": lambda name, sender: self._recall("/preset", name, sender),
        }

    # What the stage reads.

    @property
    def wanted(self) -> int:
        """The newest revision."""
        return self._revision

    @property
    def panic_revision(self) -> int:
        """The revision that the last panic made; 0 if there was none."""
        return self._panic_revision

    def standing(self) -> StoreState:
        """The newest revision, its parameters and what brought them, made once a revision."""
        made = self._standing
        if made.snapshot[0] == self._revision:
            return made
        with self._lock:
            revision, values = self._revision, dict(self._values)
            look, panic = self._look_revision, self._panic_revision
        # Two threads may both make one; an older one that is kept last is found out by its revision.
        self._standing = made = StoreState((revision, snapshot(values)), look, panic)
        return made

    def snapshot(self) -> tuple[int, Parameters]:
        """The newest revision and its parameters."""
        return self.standing().snapshot

    def watch_revision(self, changed: Callable[[], None]) -> None:
        """`changed` is called after every new revision, from the thread that made it; it must return at once."""
        with self._lock:
            self._watchers = (*self._watchers, changed)

    # What a surface may do: see `io_bridges.show_control.Desk`.

    @property
    def parameters(self) -> Mapping[str, Parameter]:
        """Every parameter by address."""
        return PARAMETERS

    @property
    def actions(self) -> Mapping[str, Action]:
        """Every action by address."""
        return _ACTIONS

    def apply(self, address: str, arguments: Sequence[object], sender: str) -> ControlReply:
        """Set a parameter or do an action; what can't be meant is refused in the answer, and nothing is raised."""
        try:
            if address in self._acts:
                return self._act(address, arguments, sender)
            parameter = PARAMETERS.get(address)
            if parameter is None:
                return self._refuse(address, sender, "unknown address", no_such_address(address[:60]))
            raw = only_value(parameter, arguments)
            value = parameter.coerce(raw)
        except ParameterRefused as refusal:
            return self._refuse(address, sender, f"{address}: a value that does not fit", str(refusal))
        except PresetError as error:
            return self._refuse(address, sender, f"{address}: a look that can't be had", first_line(str(error)))
        self._change({address: value}, sender, address)
        return ControlReply(address, True, value, "" if value == raw else what_was_taken(parameter, raw, value))

    def values(self) -> dict[str, Value]:
        """The wanted value of every parameter, by address."""
        with self._lock:
            return dict(self._values)

    def looks(self) -> list[str]:
        """The names of the presets that can be loaded, in order."""
        return self._library.names()

    def status(self) -> dict[str, object]:
        """Revisions, the look and the refusals, and over them what the stage has to tell."""
        with self._lock:
            own: dict[str, object] = {
                "revision": self._revision,
                "panic_revision": self._panic_revision,
                "on_air": {"revision": self.on_air},
                "preset": self._values["/preset"],
            }
        return {**own, "refusals": self._refusals.status(), **(self._provider() if self._provider else {})}

    def refused(self, sender: str, reason: str) -> None:
        """Count a message that could not even be understood, and log it (at a bounded rate)."""
        self._refusals.count(sender, reason)

    def subscribe(self, surface: str, wake: Callable[[], None]) -> ChangeQueue:
        """Hear changes; a sender whose name starts with `surface` is not told the address it sent itself."""
        return self._listeners.add(surface, wake)

    # Within.

    def _change(
        self,
        wanted: Mapping[str, Value],
        sender: str,
        sent: str,
        look: Mapping[str, Value] | None = None,
        panic: bool = False,
        loaded: bool = False,
    ) -> int:
        """Take the values over as one revision, if anything changed (panic always makes one); returns the newest.

        `look` is what panic goes back to from now on; `loaded` says that the values are those of another look.
        """
        with self._lock:
            changes = {address: value for address, value in wanted.items() if self._values[address] != value}
            if look is not None:
                self._look = dict(look)
            if not changes and not panic:
                return self._revision
            self._values.update(changes)
            self._revision += 1
            revision = self._revision
            if panic:
                self._panic_revision = revision
            if loaded:
                self._look_revision = revision
            sleepers = self._listeners.tell(changes, sender, sent)
            watchers = self._watchers
        if panic:
            self.on_panic(revision)
        for changed in watchers:
            changed()
        self._listeners.wake(sleepers)
        return revision

    def _act(self, address: str, arguments: Sequence[object], sender: str) -> ControlReply:
        needs = _ACTIONS[address].argument if address in _ACTIONS else "the name of a look"
        text = action_text(address, needs, arguments)
        if text is None:
            return ControlReply(address, True, None, "a button's release does nothing")
        coerce = PARAMETERS["/prompt/1/text" if address == "/prompt" else "/preset"].coerce
        return self._acts[address](str(coerce(text)), sender)

    def _panic(self, _: str, sender: str) -> ControlReply:
        with self._lock:
            # A panic must not start another renderer: model, size and accelerator stay.
            own = {
                address: value for address, value in self._look.items() if PARAMETERS[address].key not in REBUILD_KEYS
            }
        self._change({**own, **_SAFE}, sender, "/panic", panic=True)
        return ControlReply("/panic", True, None)

    def _prompt(self, text: str, sender: str) -> ControlReply:
        places = range(2, PROMPTS + 1)
        alone: dict[str, Value] = {"/prompt/1/text": text, "/prompt/1/weight": 1.0}
        self._change(alone | {f"/prompt/{place}/text": "" for place in places}, sender, "/prompt")
        return ControlReply("/prompt", True, None)

    def _recall(self, address: str, name: str, sender: str) -> ControlReply:
        look = self._library.recall(name)
        self._change(look, sender, address, look, loaded=True)
        note = "" if look["/preset"] == name else f"{look['/preset']} was loaded"
        return ControlReply(address, True, look["/preset"] if address == "/preset" else None, note)

    def _neighbour(self, step: int) -> str:
        with self._lock:
            current = str(self._values["/preset"])
        return self._library.neighbour(current, step)

    def _save(self, name: str, sender: str) -> ControlReply:
        with self._lock:
            look = {
                address: value
                for address, value in self._values.items()
                if _of_a_look(address) or (address in self._look and address != "/preset")
            }
        path = self._library.save(name, look)
        look["/preset"] = name
        self._change({"/preset": name}, sender, "/save", look)
        return ControlReply("/save", True, None, f"saved as {path}")

    def _opening_look(self) -> dict[str, Value]:
        """What panic goes back to: the look the show begins with, or its values where that look has gone."""
        if self._values["/preset"]:
            try:
                return self._library.opening(str(self._values["/preset"]))
            except PresetError as error:
                self._refusals.count("store", "the look of the last show can't be had", str(error))
        return {address: value for address, value in self._values.items() if _of_a_look(address)}

    def _refuse(self, address: str, sender: str, reason: str, sentence: str) -> ControlReply:
        self._refusals.count(sender, reason, f"{address[:60]}: {sentence}")
        return ControlReply(address, False, None, sentence)


def _of_a_look(address: str) -> bool:
    """True for what every look has; model, size and accelerator are a look's only where its file names them."""
    return PARAMETERS[address].in_presets and PARAMETERS[address].key not in REBUILD_KEYS
