"""`ShowState` and `Pulse`: everything by which another show goes on with this one, to and from JSON.

A peer sends it, so nothing of it is trusted: values are coerced, unknown ones are left out, and the rest is refused.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from daemon.shared.clock import NS
from daemon.stage.opened_places import ADD_SINK, named_place
from daemon.stage.parameter_store import ParameterStore
from daemon.stage.sink_list import MOST_SINKS
from daemon.stage.source_addresses import SOURCES
from io_bridges.scheme import without_password
from presets.declaration import LFOS, TRIGGERS
from presets.errors import BridgeError, ParameterRefused
from presets.parameter_table import PARAMETERS, Value

JsonObject = Mapping[str, object]


class ShowState(NamedTuple):
    """State of a show that changes by control alone."""

    values: Mapping[str, Value]
    """Values by address; sources without passwords."""
    preset: str
    """Name of the preset that panic restores."""
    preset_values: Mapping[str, Value]
    look: int
    """Revision of the last preset that was loaded."""
    panic: int
    """Revision of the last panic."""
    cut: int
    """Revision of the last change that applies at once."""
    sinks: tuple[str, ...]
    """Sinks that make sense on another machine."""
    cue: int
    """Place of the last cue from 0; -1 for none."""

    def to_json(self) -> dict[str, object]:
        """Return the state as JSON values."""
        return {**self._asdict(), "values": dict(self.values), "preset_values": dict(self.preset_values)}


class Pulse(NamedTuple):
    """Instant of a show in its own time."""

    bpm: float
    beats: float
    seconds: float
    """Seconds that LFOs count."""
    triggers: tuple[float, ...]
    """Seconds since the start of the envelope of each LFO; infinite for none."""

    def to_json(self) -> dict[str, object]:
        """Return the instant as JSON values."""
        triggers = [None if math.isinf(since) else since for since in self.triggers]
        return {**self._asdict(), "triggers": triggers}


def state_of(store: ParameterStore, sinks: Sequence[str], cue: int) -> ShowState:
    """Return the state of a show with these sinks."""
    standing, loaded = store.standing(), store.loaded()
    hidden = {
        address: without_password(str(value)) if address in SOURCES else value
        for address, value in loaded.values.items()
    }
    revisions = standing.look_revision, standing.panic_revision, standing.cut_revision
    return ShowState(store.values(), loaded.name, hidden, *revisions, tuple(filter(is_portable, sinks)), cue)


def pulse_of(store: ParameterStore, now: int) -> Pulse:
    """Return the instant of a show. `now` is in ns on its clock."""
    time = store.tempo.time(bpm := float(store.value("/bpm")))
    started = [store.tempo.triggered_at(place) for place in range(LFOS)]
    return Pulse(bpm, time.beats, time.seconds, tuple((now - at) / NS if at else math.inf for at in started))


def is_portable(sink: str) -> bool:
    """Return True for a sink that can be opened on another machine: it names no place on a disk and hides nothing."""
    return named_place(ADD_SINK, sink) is None and without_password(sink) == sink


def read_state(fields: object) -> ShowState:
    """Return the state that a peer has sent. Raises `BridgeError`."""
    sent = _object(fields, "state")
    sinks = sent.get("sinks")
    if not isinstance(sinks, list) or len(sinks) > MOST_SINKS or not all(isinstance(uri, str) for uri in sinks):
        raise BridgeError(f"'sinks' must be a list of at most {MOST_SINKS} addresses")
    look, panic, cut, cue = (_whole(sent, key) for key in ("look", "panic", "cut", "cue"))
    preset = str(PARAMETERS["/preset"].coerce(str(sent.get("preset", ""))))
    values = _values(sent, "values")
    portable = tuple(filter(is_portable, sinks))
    return ShowState(values, preset, _values(sent, "preset_values"), look, panic, cut, portable, cue)


def read_pulse(fields: object) -> Pulse:
    """Return the instant that a peer has sent. Raises `BridgeError`."""
    sent = _object(fields, "pulse")
    triggers = sent.get("triggers")
    if not isinstance(triggers, list) or len(triggers) != len(TRIGGERS):
        raise BridgeError(f"'triggers' must be {len(TRIGGERS)} numbers")
    since = [math.inf if each is None else number(each, "triggers") for each in triggers]
    bpm = float(PARAMETERS["/bpm"].coerce(number(sent.get("bpm"), "bpm")))
    return Pulse(bpm, number(sent.get("beats"), "beats"), number(sent.get("seconds"), "seconds"), tuple(since))


def number(value: object, key: str) -> float:
    """Return a finite number that a peer has sent. Raises `BridgeError`."""
    if isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e15:
        return float(value)
    raise BridgeError(f"{key!r} must be a number")


def _whole(fields: JsonObject, key: str) -> int:
    return int(number(fields.get(key), key))


def _object(value: object, key: str) -> JsonObject:
    if isinstance(value, dict):
        return value
    raise BridgeError(f"{key!r} must be an object")


def _values(fields: JsonObject, key: str) -> dict[str, Value]:
    """Return coerced values by address. Those of another version that this one can't read are left out."""
    read: dict[str, Value] = {}
    coercers: dict[str, Callable[[object], Value]] = {at: parameter.coerce for at, parameter in PARAMETERS.items()}
    for address, value in _object(fields.get(key), key).items():
        try:
            if address in coercers:
                read[address] = coercers[address](value)
        except ParameterRefused:
            continue
    return read
