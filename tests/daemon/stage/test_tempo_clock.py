"""The beats of a show: they go on through changes of the tempo, and follow taps."""

import math
from pathlib import Path

import pytest
from hand_clock import HandClock
from hypothesis import given
from hypothesis import strategies as st

from daemon.shared.clock import NS
from daemon.stage.parameter_store import ParameterStore
from daemon.stage.tempo_clock import MovingParameters, TempoClock
from presets.library import Library
from presets.parameter_table import PARAMETERS, Value


class TempoRig:
    """A tempo clock on a clock that the test sets."""

    def __init__(self) -> None:
        self.clock = HandClock()
        self.tempo = TempoClock(self.clock)

    def wait(self, seconds: float) -> None:
        self.clock.time += round(seconds * NS)

    def taps(self, *waits: float) -> float | None:
        """Tap after each wait and return the last tempo."""
        bpm = None
        for seconds in waits:
            self.wait(seconds)
            bpm = self.tempo.tap()
        return bpm


@pytest.fixture
def rig() -> TempoRig:
    return TempoRig()


def test_beats_follow_the_tempo(rig: TempoRig) -> None:
    assert rig.tempo.time(120.0).beats == 0
    rig.wait(3.0)
    assert rig.tempo.time(120.0).beats == pytest.approx(6.0)


@given(changes=st.lists(st.tuples(st.floats(0, 1000), st.floats(20, 400)), max_size=20))
def test_no_change_loses_a_beat(changes: list[tuple[float, float]]) -> None:
    rig, bpm, expected = TempoRig(), 120.0, 0.0
    for seconds, following in changes:
        rig.wait(seconds)
        expected += round(seconds * NS) / NS * bpm / 60
        assert rig.tempo.time(bpm).beats == pytest.approx(expected, abs=1e-6)
        bpm = following
        assert rig.tempo.time(bpm).beats == pytest.approx(expected, abs=1e-6)


def test_taps_give_the_tempo(rig: TempoRig) -> None:
    assert rig.taps(0.3) is None
    assert rig.taps(0.5) == 120.0
    assert rig.taps(0.48, 0.52, 0.5, 0.5) == 120.0, "the mean of all intervals"
    rig.wait(0.25)
    assert rig.tempo.time(120.0).beats % 1 == pytest.approx(0.5), "a tap is on the beat"


def test_another_tempo_is_taken_at_once(rig: TempoRig) -> None:
    rig.taps(0, 0.5, 0.5, 0.5)
    assert rig.taps(0.25) == 240.0
    assert rig.taps(0.25, 0.25) == 240.0


def test_taps_after_a_pause_begin_anew(rig: TempoRig) -> None:
    rig.taps(0, 0.5, 0.5)
    assert rig.taps(30.0) is None
    assert rig.taps(0.4) == 150.0


def test_tempo_of_frantic_taps_is_limited(rig: TempoRig) -> None:
    assert rig.taps(0, 0.001, 0.001) == PARAMETERS["/bpm"].maximum
    assert rig.taps(0) in (None, PARAMETERS["/bpm"].maximum)  # the same nanosecond


def test_resync_is_beat_zero(rig: TempoRig) -> None:
    rig.wait(0.9)
    rig.tempo.resync()
    rig.wait(0.25)
    assert rig.tempo.time(120.0).beats == pytest.approx(0.5)


@pytest.fixture
def store(rig: TempoRig, library: Library) -> ParameterStore:
    return ParameterStore(library, tempo=rig.tempo)


def test_tap_sets_the_parameter(rig: TempoRig, store: ParameterStore) -> None:
    notes = []
    for _ in range(3):
        rig.wait(0.4)
        notes.append(store.apply("/tap", [1], "osc:127.0.0.1:9"))
        store.apply("/tap", [0], "osc:127.0.0.1:9")  # the button's release
    assert store.values()["/bpm"] == 150.0
    assert [(reply.accepted, reply.note) for reply in notes] == [
        (True, "tap on"),
        (True, "150 beats/min"),
        (True, "150 beats/min"),
    ]
    rig.wait(0.4)
    assert rig.tempo.time(150.0).beats % 1 == pytest.approx(0.0, abs=1e-6)


def test_resync_is_an_action(rig: TempoRig, store: ParameterStore) -> None:
    rig.wait(0.7)
    assert store.apply("/resync", [], "web:1:").accepted
    assert rig.tempo.time(120.0).beats == 0


def test_beat_of_now_is_set(rig: TempoRig, store: ParameterStore) -> None:
    rig.wait(0.7)
    for sent, beats in ((3.25, 3.25), (0, 0.0), ("17", 17.0), ("2,5", 2.5), (-2, -2.0), (1e30, 1e6)):
        assert store.apply("/beat", [sent], "osc").accepted
        assert rig.tempo.time(120.0).beats == beats
    rig.wait(0.25)
    assert rig.tempo.time(120.0).beats == 1e6 + 0.5
    for nonsense in ([], ["now"], [math.nan]):
        assert not store.apply("/beat", nonsense, "osc").accepted
    assert store.apply("/beat", [], "osc").note == "/beat needs a number; 0 is the first beat of a bar"


def test_triggers_count_from_the_message(rig: TempoRig, store: ParameterStore) -> None:
    rig.tempo.lead = lambda: 0.2
    assert min(rig.tempo.time_on_air(120.0).since_triggers) == math.inf
    rig.wait(0.9)
    assert store.apply("/lfo/3/trigger", [1], "osc").accepted
    rig.wait(0.1)
    store.apply("/lfo/3/trigger", [0], "osc")  # the button's release
    first, second, third, fourth = rig.tempo.time_on_air(120.0).since_triggers
    assert third == pytest.approx(0.1), "the picture that is begun next shows its first instant"
    assert min(first, second, fourth) == math.inf


def test_parameters_move_with_the_beats(rig: TempoRig, store: ParameterStore) -> None:
    moving = MovingParameters(store, rig.tempo.time)
    assert moving() is store.snapshot()[1]
    for address, value in {"target": "/zoom", "shape": "rise", "amount": 0.2, "period": 2.0}.items():
        assert store.apply(f"/lfo/2/{address}", [value], "osc").accepted
    store.apply("/zoom", [3.0], "osc")
    assert moving().zoom == pytest.approx(3.0 - 0.2 * 4.5)
    rig.wait(0.5)
    assert moving().zoom == pytest.approx(3.0)
    assert store.values()["/zoom"] == 3.0, "the set value stays"


def test_staged_numbers_glide_to_a_preset(rig: TempoRig, tmp_path: Path) -> None:
    library = Library(tmp_path)
    for name, zoom in (("near", 1), ("far", 5)):
        (tmp_path / f"{name}.yaml").write_text(f"zoom: {zoom}\npan_x: {(zoom - 1) / 4}\n")
    store = ParameterStore(library, tempo=rig.tempo)
    moving = MovingParameters(store, rig.tempo.time)

    def send(address: str, value: Value) -> None:
        assert store.apply(address, [value], "osc").accepted

    def zoom_after(seconds: float, pictures: int = 0) -> float:
        rig.wait(seconds)
        rig.tempo.pictures += pictures
        return moving().zoom

    send("/morph", 2.0)
    send("/preset", "far")
    assert [zoom_after(seconds) for seconds in (0, 0.5, 1.0)] == [1.0, 2.0, 4.0]
    send("/zoom", 3.0)
    assert zoom_after(0.1) == 3.0, "a fader that is moved stops gliding"
    assert moving().pan_x == pytest.approx(0.8), "the others glide on"
    assert zoom_after(1.0) == 3.0
    assert moving() is store.snapshot()[1], "nothing moves any more"
    send("/morph_pictures", 4)
    send("/preset", "near")
    assert [zoom_after(100, pictures) for pictures in (0, 1, 1, 1)] == [2.5, 2.0, 1.5, 1.0]
    send("/preset", "far")
    zoom_after(0)
    assert store.apply("/panic", [], "osc").accepted
    assert moving().zoom == 5.0, "panic cuts"
