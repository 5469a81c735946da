"""The show lock: what is refused while it is on and how that is told, and what works as ever."""

import pytest
from store_answers import OSC, accepted, put, refused

from daemon.shared.clock import SystemClock
from daemon.stage.control_transport import ControlTransport
from daemon.stage.cue_show import CueShow
from daemon.stage.parameter_store import ParameterStore
from daemon.stage.preset_watch import PresetWatch
from daemon.stage.show_lock import CONFIRM_WITHIN, ONE_PRESS, UNLOCK, LockedEnd, LockedShow
from io_bridges.show_control import ControlReply
from presets.declaration import ACTIONS, Effect
from presets.library import Library
from presets.parameter_table import PARAMETERS
from presets.set_list import Cue

REBUILDS = [address for address, parameter in PARAMETERS.items() if parameter.effect is Effect.REBUILD]
DISTURBING = [
    "/save/mine",
    "/undo_save",
    "/sink/add",
    "/SINK/remove/1",
    "/play/controls/a",
    "/play/loop",
    "/midi/learn",
]
SPELLED = ["/model/echo", "/Width/norm", "/height/add", "/source/card:", "/source2", "/audio/input/usb", "/midi/forget"]


@pytest.fixture
def show(store: ParameterStore) -> LockedShow:
    show = LockedShow(store, store.value)
    accepted(show.apply("/lock", [1], OSC))
    return show


@pytest.mark.parametrize("address", [*REBUILDS, *DISTURBING, *SPELLED])
def test_disturbing_messages_are_refused(show: LockedShow, store: ParameterStore, address: str) -> None:
    before = store.values()
    assert show.apply(address, ["512"], OSC) == ControlReply(address, False, None, UNLOCK)
    assert store.values() == before
    assert "the show is locked" in str(show.status()["refusals"])
    accepted(show.apply("/lock", [0], OSC))
    assert show.apply(address, ["512"], OSC).note != UNLOCK


def test_everything_else_works(show: LockedShow, store: ParameterStore) -> None:
    for parameter in PARAMETERS.values():
        if parameter.effect is not Effect.REBUILD and parameter.address not in ("/source", "/source2", "/preset"):
            accepted(show.apply(parameter.address, [store.value(parameter.address)], OSC))
    for action in ACTIONS:
        assert (show.apply(action.address, ["1"], OSC).note == UNLOCK) == action.disturbs
    accepted(show.apply("/strength/norm", [0.25], OSC))
    accepted(show.apply("/next", [], OSC))
    accepted(show.apply("/blackout", [1], OSC))
    accepted(show.apply("/panic", [], OSC))
    assert (store.value("/blackout"), store.value("/lock")) == (False, True), "panic leaves the lock"


def test_presets_with_another_renderer(show: LockedShow, store: ParameterStore, library: Library) -> None:
    put(library, "a", "strength: 0.25\n")
    put(library, "b", "strength: 0.125\nmodel: echo\nwidth: 512\n")
    accepted(show.apply("/preset", ["a"], OSC))
    sentence = f"b needs another renderer (/model, /width): {UNLOCK}"
    assert refused(show.apply("/preset", ["b"], OSC)) == refused(show.apply("/next", [], OSC)) == sentence
    assert (store.value("/preset"), store.value("/strength")) == ("a", 0.25)
    cues = LockedShow(CueShow(ControlTransport(store, SystemClock()).quantised, [Cue(preset="b")]), store.value)
    accepted(cues.apply("/cue/go", [], OSC))
    assert (store.value("/preset"), store.value("/width")) == ("b", 512), "the set list is planned"
    accepted(show.apply("/preset", ["b"], OSC)), "its renderer is on air"


def test_saved_file_with_another_renderer(show: LockedShow, store: ParameterStore, library: Library) -> None:
    put(library, "a", "strength: 0.25\n")
    accepted(show.apply("/preset", ["a"], OSC))
    watch = PresetWatch(library, store)
    watch.look()
    put(library, "a", "strength: 0.5\nwidth: 512\n")
    watch.look()
    assert (store.value("/strength"), store.value("/width")) == (0.25, 256)
    assert UNLOCK in str(store.status()["refusals"])


def test_ctrl_c_is_wanted_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    now, locked, told = 100.0, True, list[str]()
    monkeypatch.setattr("daemon.stage.show_lock.time.monotonic", lambda: now)
    end = LockedEnd(lambda: locked, told.append)
    assert end.goes_on()
    assert end.goes_on(), "the same press, by way of make"
    now += CONFIRM_WITHIN + 0.1
    assert end.goes_on(), "too late"
    now += ONE_PRESS + 0.1
    assert not end.goes_on()
    assert len(told) == 2
    assert "Ctrl-C again" in told[0]
    locked = False
    assert not end.goes_on()
