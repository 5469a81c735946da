"""`ParameterStore`: the live parameters of a show, which every control surface sets and the stage reads.

It implements `io_bridges.show_control.ShowControl` on top of `LiveValues`. Files are read on threads of their own.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from types import MappingProxyType
from typing import Any

from daemon.shared.refusals import Refusals
from daemon.stage import replies
from daemon.stage.file_messages import FileMessages
from daemon.stage.live_values import LiveValues
from daemon.stage.message_reading import FADERS, read_message
from daemon.stage.opened_places import OpenedPlaces
from daemon.stage.preset_actions import PresetActions
from daemon.stage.preset_saver import LoadedPreset, opening_preset
from daemon.stage.prompt_reading import prompt_values
from daemon.stage.show_lock import UNLOCK, another_renderer
from daemon.stage.source_addresses import SOURCES, SourceAddresses
from daemon.stage.tempo_actions import TempoActions
from daemon.stage.tempo_clock import TempoClock
from io_bridges.scheme import without_password
from io_bridges.show_control import ControlReply, FoundSources, Later
from presets.declaration import ACTIONS, LOCK, Action
from presets.errors import ParameterRefused, PresetError
from presets.library import Library
from presets.parameter_table import PARAMETERS, Parameter, Value
from presets.taken_message import TakenMessage

_ACTIONS: Mapping[str, Action] = MappingProxyType({action.address: action for action in ACTIONS})
_TEXTS = {"/preset": "the name of a preset", **dict.fromkeys(SOURCES, "the address of a source")}
"""Phrase for the missing text, for refusals. Setting one of these parameters is an action."""

OpenSource = Callable[[str, str, Later | None], ControlReply]
"""Requests a source by its URI and its sender, and returns at once."""


class ParameterStore(LiveValues):
    """The live parameters of one show. Every method may be called from any thread."""

    def __init__(
        self,
        library: Library,
        values: Mapping[str, Value] | None = None,
        status: Callable[[], Mapping[str, Any]] | None = None,
        tempo: TempoClock | None = None,
    ) -> None:
        """Take coerced `values` by address. A missing value has its default. `status` returns the stage's status."""
        start = {address: parameter.default for address, parameter in PARAMETERS.items()} | dict(values or {})
        loaded, problem = opening_preset(library, start)
        self._sources = SourceAddresses(start, loaded.values)
        super().__init__(start | {at: without_password(uri) for at, uri in self._sources.all().items()}, loaded)
        self.on_air = 0
        """Revision that the picture on air was admitted with; the stage sets it."""
        self.remark: Callable[[str], str] = lambda address: ""
        """Returns a note for the reply to a change of an address, or an empty string."""
        self.open_source: dict[str, OpenSource] = {}
        """Requests a source by its URI, by the address of the source; the stage sets it. Any other is a value."""
        self.search_sources: Callable[[Callable[[FoundSources], None]], None] = lambda found: found(FoundSources())
        """Starts a search for sources; the stage sets it."""
        self.change_sinks: Callable[[str, str, str, Later | None], ControlReply] | None = None
        """Adds, opens or removes a sink, by the address of the action, its text and the sender; the stage sets it."""
        self.choose_sound: Callable[[str], str] = lambda text: ""
        """Hears another input, by a part of its name, and returns a note for the reply; `ShowSound` sets it."""
        self.opened = OpenedPlaces(library.folder, {**start, **loaded.values})
        """Places on the disk that messages may name."""
        self._files = FileMessages(self.opened, self.change, self._refuse)
        self.tempo = tempo or TempoClock()
        self.files = PresetActions(self, library, self._refuse)
        self.saver = self.files.saver
        self._stage_status = status
        self._refusals = Refusals()
        if problem:
            self._refusals.count("store", "the preset of the last show can't be loaded", problem)
        self._acts: dict[str, Callable[[str, str, Later | None], ControlReply]] = {
            "/panic": self._panic,
            **self.files.acts(),
            **TempoActions(self, self.tempo).acts(),
            "/prompt": lambda text, sender, later: self._mix(((text, 1.0),), sender),
            **{address: partial(self._set_source, address) for address in SOURCES},
            "/sink/add": partial(self._change_sinks, "/sink/add"),
            "/sink/open": partial(self._change_sinks, "/sink/open"),
            "/sink/remove": partial(self._change_sinks, "/sink/remove"),
            "/audio/input": lambda text, _, __: ControlReply("/audio/input", True, None, self.choose_sound(text)),
        }

    def take_source(self, uri: str, sender: str, address: str = "/source") -> None:
        """Set the address of a source to the URI on air, without its password. The stage calls it after a switch."""
        self._sources.take(address, uri)
        self.change({address: without_password(uri)}, sender, address, is_message=False)

    def source_uri(self, address: str) -> str:
        """Return the URI of a source with its password."""
        return self._sources.uri(address)

    def values_to_keep(self) -> dict[str, Value]:
        """Return the values from which the next show starts, with the passwords of the sources."""
        return {**self.values(), **self._sources.all()}

    def values_to_save(self) -> dict[str, Value]:
        """Return the current values that belong in a preset, with the passwords of the sources."""
        with self._lock:
            return self._loaded.values_to_save({**self._values, **self._sources.all()})

    def loaded(self) -> LoadedPreset:
        """Return the preset that panic restores, by the name that it has now."""
        with self._lock:
            return LoadedPreset(str(self._values["/preset"]), self._loaded.values)

    def beats(self) -> float:
        """Return the beats of now, at the tempo that is set."""
        return self.tempo.time(float(self.value("/bpm"))).beats

    @property
    def parameters(self) -> Mapping[str, Parameter]:
        """Every parameter by address."""
        return PARAMETERS

    @property
    def actions(self) -> Mapping[str, Action]:
        """Every action by address."""
        return _ACTIONS

    def apply(self, address: str, arguments: Sequence[object], sender: str, later: Later | None = None) -> ControlReply:
        """Set a parameter or do an action. A message that makes no sense is refused in the reply; nothing is raised."""
        if len(arguments) == 1 and type(arguments[0]) is float and (fader := FADERS.get(address)) is not None:
            return self._move(fader, arguments[0], sender)
        sent_to, sent = address, arguments
        try:
            address, arguments, read, prompts = read_message(address, arguments, self._values, self.preset_names)
            if prompts:
                return self._mix(prompts, sender)
            if address in self._acts:
                return self._act(address, arguments, sender, later, read)
            parameter = PARAMETERS.get(address)
            if parameter is None:
                return self._refuse(address, sender, "unknown address", replies.unknown_address(address[:60]))
            raw = replies.only_value(parameter, arguments)
            value = parameter.coerce(raw)
            if (reply := self._files.request(address, value, sender, later)) is not None:
                return reply
        except ParameterRefused as refusal:
            return self._refuse(address, sender, f"{address}: a value that does not fit", str(refusal))
        self.change({address: value}, sender, address)
        cut = "" if value == raw else replies.coercion_note(parameter, raw, value)
        share = "" if sent_to == address else replies.share_note(sent_to, sent)
        return ControlReply(address, True, value, replies.joined(read, share, cut, self.remark(address)))

    def _move(self, fader: Parameter, number: float, sender: str) -> ControlReply:
        """Set a parameter to a number, as a fader does a thousand times a second."""
        address = fader.address
        try:
            value = fader.coerce(number)
        except ParameterRefused as refusal:
            return self._refuse(address, sender, f"{address}: a value that does not fit", str(refusal))
        self.set_one(address, value, sender)
        note = self.remark(address)
        if value != number:
            note = replies.joined(replies.coercion_note(fader, number, value), note)
        return ControlReply(address, True, value, note)

    def recall(self, name: str, instead: Mapping[str, Value], sender: str, later: Later | None = None) -> ControlReply:
        """Load a preset as ``/preset`` does, with the values `instead` in place of its own. Nothing is raised."""
        return self.files.recall(name, instead, sender, later)

    def load(self, to: str, name: str, values: Mapping[str, Value], sender: str, later: Later | None) -> ControlReply:
        """Load the values of the preset `name`. The reply is to a message to the address `to`."""
        self.opened.trust(values)
        known = str(values["/preset"])
        wanted = {key: value for key, value in values.items() if key not in self.open_source}
        self.change(wanted, sender, to, LoadedPreset(known, values), is_new_look=True)
        notes = ["" if known == name else f"{known} was loaded"]
        for place, uri in self._sources.wanted_by(values).items():
            if uri is not None and place not in wanted:
                notes.append(self._open_source(place, uri, sender, later).note)
        return ControlReply(to, True, known if to == "/preset" else None, replies.joined(*notes))

    def check_lock(self, name: str, values: Mapping[str, Value]) -> None:
        """Raise `PresetError` if the show is locked and the values of the preset `name` start another renderer."""
        with self._lock:
            others = another_renderer(values, self._values) if self._values[LOCK] else []
        if others:
            raise PresetError(f"{name} needs another renderer ({', '.join(others)}): {UNLOCK}")

    def preset_names(self) -> list[str]:
        """Return the names of the presets that can be loaded, in order."""
        return self.files.names()

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

    def find_sources(self, found: Callable[[FoundSources], None]) -> None:
        """Search for the sources that can be opened now. `found` gets them on another thread."""
        self.search_sources(found)

    def _act(self, address: str, given: Sequence[object], sender: str, later: Later | None, read: str) -> ControlReply:
        needs = _ACTIONS[address].argument if address in _ACTIONS else _TEXTS[address]
        text = replies.action_text(address, needs, given)
        if text is None:
            return ControlReply(address, True, None, "a button's release does nothing")
        taken, cut = replies.action_value(address, text)
        reply = self._acts[address](taken, sender, later)
        return reply._replace(note=replies.joined(read, cut, reply.note))

    def _panic(self, _: str, sender: str, later: Later | None) -> ControlReply:
        self.change(self._loaded.panic_values(), sender, "/panic", panic=True)
        return ControlReply("/panic", True, None)

    def _mix(self, prompts: Sequence[tuple[str, float]], sender: str) -> ControlReply:
        """Set these texts with their weights, and no other text."""
        self.change(prompt_values(prompts), sender, "/prompt")
        notes = [self.remark(f"/prompt/{place}/text") for place in range(1, len(prompts) + 1)]
        return ControlReply("/prompt", True, None, replies.joined(*replies.weight_notes(prompts), *notes))

    def _set_source(self, address: str, uri: str, sender: str, later: Later | None) -> ControlReply:
        self._sources.choose(address)
        self.note(TakenMessage(address, (without_password(uri),), sender))
        return self._open_source(address, uri, sender, later)

    def _open_source(self, address: str, uri: str, sender: str, later: Later | None) -> ControlReply:
        if address not in self.open_source:
            self.take_source(uri, sender, address)
            return ControlReply(address, True, uri)
        return self.open_source[address](uri, sender, later)

    def _change_sinks(self, address: str, text: str, sender: str, later: Later | None) -> ControlReply:
        if self.change_sinks is None:
            return self._refuse(address, sender, "no sinks", "there are no sinks to change")
        reply = self.change_sinks(address, text, sender, later)
        if reply.accepted:
            self.note(TakenMessage(address, (without_password(text),), sender))
        return reply

    def _refuse(self, address: str, sender: str, reason: str, sentence: str) -> ControlReply:
        self._refusals.count(sender, reason, f"{address[:60]}: {sentence}")
        return ControlReply(address, False, None, sentence)
