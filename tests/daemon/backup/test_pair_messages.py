"""The messages of a pair of shows come back as they went, and nothing else than a sentence comes of nonsense."""

import json
import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from daemon.backup.pair_messages import Question, Report, read_question, read_report, to_json
from daemon.backup.show_state import Pulse, is_portable, state_of
from daemon.stage.parameter_store import ParameterStore
from presets.errors import BridgeError
from presets.library import Library

PULSE = Pulse(128.5, 77.25, 40.0, (math.inf, 0.5, math.inf, math.inf))


def over_the_wire(message: Question | Report) -> dict[str, object]:
    sent = json.dumps({"ok": True, **to_json(message)}, ensure_ascii=False, allow_nan=False)
    assert len(sent.encode()) < 64 << 10  # ZeroMQ control takes no longer request
    read: dict[str, object] = json.loads(sent)
    return read


def filled(library: Library) -> ParameterStore:
    """Return a store with the longest texts that there can be."""
    store = ParameterStore(library)
    for place in (1, 2, 3, 4):
        store.apply(f"/prompt/{place}/text", ["日本語" * 1000], "hand")
    store.apply("/negative_prompt", ["é" * 4000], "hand")
    return store


def test_messages_return_as_they_went(library: Library) -> None:
    state = state_of(filled(library), ["zmq:tcp://127.0.0.1:5556", "ndi:stage"], 3)
    ask = Question("run", "vm:1", True, "other", 0.8, True, True, True, True, "known", state, "mark", PULSE)
    assert read_question(over_the_wire(ask)) == ask
    report = Report("run", "vm:2", True, True, "known", state, "mark", PULSE, (640, 360), "30000/1001")
    assert read_report(over_the_wire(report)) == report


def test_refusals_are_sentences(store: ParameterStore) -> None:
    with pytest.raises(BridgeError, match="has a backup already"):
        read_report({"ok": False, "error": "vm:1 has a backup already, on vm:2; a show has one"})
    with pytest.raises(BridgeError, match="the same streamflow-live on both"):
        read_question({**over_the_wire(Question("run", "vm", False, "", 0.8)), "version": 2})


def test_sinks_of_this_machine_stay_here() -> None:
    sinks = {
        "zmq:tcp://127.0.0.1:5556": True,
        "ndi:stage": True,
        "spout:stage": True,
        "window:": True,
        "shm:stage": True,
        "record:show.mp4": False,
        "png:frames": False,
        "zmq:ipc:///tmp/frames": False,
    }
    assert {sink: is_portable(sink) for sink in sinks} == sinks


def test_values_of_another_version_are_left_out(store: ParameterStore) -> None:
    sent = over_the_wire(Question("run", "vm", True, "", 0.8, state=state_of(store, [], -1)))
    state = sent["state"]
    assert isinstance(state, dict)
    state["values"] |= {"/from_the_future": 1.0, "/strength": "not a number", "/steps": 1e9}
    read = read_question(sent).state
    assert read is not None
    assert "/from_the_future" not in read.values
    assert "/strength" not in read.values
    assert read.values["/steps"] == store.parameters["/steps"].maximum


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=8,
)
WHOLE = {"version": 1, "ok": True, "run": "r", "name": "n", "of": "", "after": 1, "size": [1, 1], "fps": "30"}
STATE = {"values": {}, "preset": "", "preset_values": {}, "look": 0, "panic": 0, "cut": 0, "sinks": [], "cue": 0}


@settings(max_examples=40, deadline=None)
@given(st.sampled_from([*WHOLE, "state", "pulse", "known"]), st.sampled_from([*STATE, "/strength"]), JSON)
def test_nonsense_is_refused(key: str, inner: str, value: object) -> None:
    for fields in (
        {**WHOLE, key: value},
        {**WHOLE, "state": {**STATE, inner: value}},
        {**WHOLE, "state": {**STATE, "values": {inner: value}}},
        {**WHOLE, "pulse": {"bpm": value, "beats": value, "seconds": 1, "triggers": [value] * 4}},
    ):
        for read in (read_question, read_report):
            try:
                read(fields)
            except BridgeError:
                continue
