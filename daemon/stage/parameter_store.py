"""`ParameterStore`: the live parameters of a show, which every control surface sets and the stage reads.

It implements `io_bridges.show_control.ShowControl` with plain values by address and a revision that counts up with
every change. One lock is held for dict work only: files are read before it is taken, callbacks run after it is free.
"""

import threading
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple

from daemon.shared.refusals import Refusals
from daemon.stage import replies
from daemon.stage.message_reading import prompt_values, read_message
from daemon.stage.preset_saver import LoadedPreset, PresetSaver, opening_preset
from daemon.stage.subscriptions import ChangeQueue, Subscriptions
from io_bridges.show_control import ControlReply
from presets.declaration import ACTIONS, Action
from presets.errors import ConfirmationNeeded, ParameterRefused, PresetError
from presets.library import Library
from presets.parameter_table import PARAMETERS, Parameter, Value, snapshot
from presets.parameters import Parameters

_ACTIONS: Mapping[str, Action] = MappingProxyType({action.address: action for action in ACTIONS})


class StoreState(NamedTuple):
    """The parameters of one revision, and what brought them."""

    snapshot: tuple[int, Parameters]
    """The newest revision and its parameters."""
    look_revision: int
    """Revision that the last loaded preset made; 0 if there was none."""
    panic_revision: int
    """Revision that the last panic made; 0 if there was none."""


class ParameterStore:
    """The live parameters of one show. Every method may be called from any thread."""

    def __init__(
        self,
        library: Library,
        values: Mapping[str, Value] | None = None,
        status: Callable[[], Mapping[str, Any]] | None = None,
    ) -> None:
        """`values` by address are coerced already; what they lack has its default. `status` returns the stage's."""
        self.on_air = 0
        """Revision that the picture on air was admitted with; the stage sets it."""
        self.on_panic: Callable[[int], None] = lambda revision: None
        """Called with the revision of a panic: the picture to wait for has that revision or a later one."""
        self.remark: Callable[[str], str] = lambda address: ""
        """Returns a sentence for the reply to a change of this address; empty for none."""
        self._library = library
        self._saver = PresetSaver(library)
        self._stage_status = status
        self._lock = threading.Lock()
        self._subscriptions = Subscriptions(self._lock)
        self._watchers: tuple[Callable[[], None], ...] = ()
        self._refusals = Refusals()
        self._values = {address: parameter.default for address, parameter in PARAMETERS.items()} | dict(values or {})
        self._revision = 1
        self._look_revision = 0
        self._panic_revision = 0
        self._state = StoreState((0, Parameters()), 0, 0)
        self._loaded, problem = opening_preset(library, self._values)
        if problem:
            self._refusals.count("store", "the preset of the last show can't be loaded", problem)
        self._acts: dict[str, Callable[[str, str], ControlReply]] = {
            "/panic": self._panic,
            "/next": lambda _, sender: self._recall("/next", self._neighbour(1), sender),
            "/previous": lambda _, sender: self._recall("/previous", self._neighbour(-1), sender),
            "/save": self._save,
            "/undo_save": self._undo_save,
            "/prompt": lambda text, sender: self._mix(((text, 1.0),), sender),
            "/preset": lambda name, sender: self._recall("/preset", name, sender),
        }

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

    @property
    def parameters(self) -> Mapping[str, Parameter]:
        """Every parameter by address."""
        return PARAMETERS

    @property
    def actions(self) -> Mapping[str, Action]:
        """Every action by address."""
        return _ACTIONS

    def apply(self, address: str, arguments: Sequence[object], sender: str) -> ControlReply:
        """Set a parameter or do an action. A message that makes no sense is refused in the reply; nothing is raised."""
        try:
            address, arguments, read, prompts = read_message(address, arguments, self._values, self._library.names)
            if prompts:
                return self._mix(prompts, sender)
            if address in self._acts:
                return self._act(address, arguments, sender, read)
            parameter = PARAMETERS.get(address)
            if parameter is None:
                return self._refuse(address, sender, "unknown address", replies.unknown_address(address[:60]))
            raw = replies.only_value(parameter, arguments)
            value = parameter.coerce(raw)
        except ParameterRefused as refusal:
            return self._refuse(address, sender, f"{address}: a value that does not fit", str(refusal))
        except ConfirmationNeeded as error:
            return ControlReply(address, False, None, str(error), confirm=True)
        except PresetError as error:
            return self._refuse(
                address, sender, f"{address}: a preset that can't be used", replies.first_line(str(error))
            )
        self._change({address: value}, sender, address)
        cut = "" if value == raw else replies.coercion_note(parameter, raw, value)
        return ControlReply(address, True, value, replies.joined(read, cut, self.remark(address)))

    def values(self) -> dict[str, Value]:
        """Return the wanted value of every parameter, by address."""
        with self._lock:
            return dict(self._values)

    def preset_names(self) -> list[str]:
        """Return the names of the presets that can be loaded, in order."""
        return self._library.names()

    def status(self) -> dict[str, object]:
        """Return revisions, preset and refusals, and the status of the stage, which overrides equal keys."""
        with self._lock:
            own: dict[str, object] = {
                "revision": self._revision,
                "panic_revision": self._panic_revision,
                "on_air": {"revision": self.on_air},
                "preset": self._values["/preset"],
            }
        return {**own, "refusals": self._refusals.status(), **(self._stage_status() if self._stage_status else {})}

    def refused(self, sender: str, reason: str) -> None:
        """Count a message that could not be decoded, and log it at a bounded rate."""
        self._refusals.count(sender, reason)

    def subscribe(self, surface: str, wake: Callable[[], None]) -> ChangeQueue:
        """Subscribe to changes. A sender whose name starts with `surface` does not get the address it sent itself."""
        return self._subscriptions.add(surface, wake)

    # Private.

    def _change(
        self,
        wanted: Mapping[str, Value],
        sender: str,
        sent: str,
        loaded: LoadedPreset | None = None,
        panic: bool = False,
        is_new_look: bool = False,
    ) -> None:
        """Take the values as one revision if any of them changes anything; a panic always makes one.

        `loaded` is the preset that panic restores from now on. `is_new_look` says that the values are all of its own.
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

    def _act(self, address: str, arguments: Sequence[object], sender: str, read: str) -> ControlReply:
        needs = _ACTIONS[address].argument if address in _ACTIONS else "the name of a preset"
        text = replies.action_text(address, needs, arguments)
        if text is None:
            return ControlReply(address, True, None, "a button's release does nothing")
        taken, cut = replies.action_value(address, text)
        reply = self._acts[address](taken, sender)
        return reply._replace(note=replies.joined(read, cut, reply.note))

    def _panic(self, _: str, sender: str) -> ControlReply:
        self._change(self._loaded.panic_values(), sender, "/panic", panic=True)
        return ControlReply("/panic", True, None)

    def _mix(self, prompts: Sequence[tuple[str, float]], sender: str) -> ControlReply:
        """Set these texts with their weights, and no other text."""
        self._change(prompt_values(prompts), sender, "/prompt")
        notes = [self.remark(f"/prompt/{place}/text") for place in range(1, len(prompts) + 1)]
        return ControlReply("/prompt", True, None, replies.joined(*notes))

    def _recall(self, address: str, name: str, sender: str) -> ControlReply:
        values = self._library.recall(name)
        known = str(values["/preset"])
        self._change(values, sender, address, LoadedPreset(known, values), is_new_look=True)
        note = "" if known == name else f"{known} was loaded"
        return ControlReply(address, True, known if address == "/preset" else None, note)

    def _neighbour(self, step: int) -> str:
        return self._library.neighbour(str(self._values["/preset"]), step)

    def _save(self, name: str, sender: str) -> ControlReply:
        with self._lock:
            before = LoadedPreset(str(self._values["/preset"]), self._loaded.values)
            values = self._loaded.values_to_save(self._values)
        note = self._saver.save(name, values, sender, before)
        self._change({"/preset": name}, sender, "/save", LoadedPreset(name, {**values, "/preset": name}))
        return ControlReply("/save", True, None, note)

    def _undo_save(self, _: str, sender: str) -> ControlReply:
        saved, note = self._saver.undo()
        if self._values["/preset"] == saved.name:
            self._change({"/preset": saved.loaded.name}, sender, "/undo_save", saved.loaded)
        return ControlReply("/undo_save", True, None, note)

    def _refuse(self, address: str, sender: str, reason: str, sentence: str) -> ControlReply:
        self._refusals.count(sender, reason, f"{address[:60]}: {sentence}")
        return ControlReply(address, False, None, sentence)
