"""Real peers of an Ableton Link session on this machine: tempo both ways, and the phase of the session."""

import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.shared.file_lock import lock_file
from daemon.stage.parameter_store import ParameterStore
from io_bridges.ableton_link.control import LinkControl, make_peer, phase_shift
from presets.errors import BridgeUnavailable, SettingsError
from presets.library import Library

PAGE = "web:1:"


def eventually(condition: Callable[[], object]) -> None:
    until = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < until, "the condition did not become true in time"
        time.sleep(0.02)


class Rig:
    """A show in the session, and another program."""

    def __init__(self, folder: Path) -> None:
        self.store = ParameterStore(Library(folder))
        self.control = LinkControl(self.store.beats)
        self.other = make_peer(133.0)

    def set_other(self, change: Callable[[Any, int], None]) -> None:
        state = self.other.captureAppSessionState()
        change(state, self.other.clock().micros())
        self.other.commitAppSessionState(state)

    def apart(self) -> float:
        """Return the difference of both phases, in beats."""
        state = self.other.captureAppSessionState()
        return abs(phase_shift(self.store.beats(), state.beatAtTime(self.other.clock().micros(), 4)))


@pytest.fixture(scope="module")
def rig(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    """A show that is alone at first. Another run of these tests on this machine would be in its session."""
    while True:
        try:
            held = lock_file(Path(tempfile.gettempdir()) / "streamflow-link-test")
            break
        except SettingsError:
            time.sleep(0.2)
    rig = Rig(tmp_path_factory.mktemp("link"))
    rig.control.open(rig.store)
    thread = threading.Thread(target=rig.control.serve)
    thread.start()
    try:
        yield rig
    finally:
        rig.other.enabled = False
        rig.control.stop()
        thread.join(20)
        rig.control.close()
        if held is not None:
            held.close()
        assert not thread.is_alive()


def test_tempo_goes_both_ways(rig: Rig) -> None:
    rig.store.apply("/bpm", [97.0], PAGE)
    rig.store.apply("/beat", [2.5], PAGE)  # alone, the show's beats are the session's
    rig.other.enabled = True
    eventually(lambda: rig.control.status()["peers"] == 1 and rig.other.numPeers() == 1)
    eventually(lambda: rig.other.captureAppSessionState().tempo() == pytest.approx(rig.store.value("/bpm"), abs=0.01))
    rig.set_other(lambda state, micros: state.setTempo(140.25, micros))
    eventually(lambda: rig.store.value("/bpm") == pytest.approx(140.25, abs=0.01))
    rig.store.apply("/bpm", [88.0], PAGE)
    eventually(lambda: rig.other.captureAppSessionState().tempo() == pytest.approx(88.0, abs=0.01))
    time.sleep(0.2)
    assert rig.store.value("/bpm") == 88.0, "no echo"


def test_phase_is_that_of_the_session(rig: Rig) -> None:
    rig.other.enabled = True
    eventually(lambda: rig.control.status()["peers"] == 1)
    eventually(lambda: rig.apart() < 0.02)
    rig.set_other(lambda state, micros: state.forceBeatAtTime(1.5, micros, 4))
    eventually(lambda: rig.apart() < 0.02)
    rig.store.apply("/resync", [], PAGE)  # others play on: the session's bar wins
    eventually(lambda: rig.apart() < 0.02)
    assert rig.control.status()["peers"] == 1


def test_tempo_beyond_the_range_is_no_loop(rig: Rig) -> None:
    rig.other.enabled = True
    eventually(lambda: rig.control.status()["peers"] == 1)
    rig.set_other(lambda state, micros: state.setTempo(600.0, micros))
    eventually(lambda: rig.store.value("/bpm") == 400.0)
    time.sleep(0.2)
    before = rig.control.status()
    time.sleep(0.3)
    assert rig.control.status() == before
    assert rig.other.captureAppSessionState().tempo() == pytest.approx(600.0, abs=0.01), "the session is left alone"
    rig.set_other(lambda state, micros: state.setTempo(120.0, micros))
    eventually(lambda: rig.store.value("/bpm") == 120.0 and rig.apart() < 0.02)


@given(beats=st.floats(-1e5, 1e5), session=st.floats(-1e5, 1e5))
def test_shift_is_the_shorter_way(beats: float, session: float) -> None:
    shift = phase_shift(beats, session)
    assert -2 <= shift <= 2
    apart = (beats + shift - session) % 4
    assert min(apart, 4 - apart) < 1e-6


def test_missing_extra_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("io_bridges.lazy_imports.importlib.util.find_spec", lambda name: None)
    with pytest.raises(BridgeUnavailable, match=r"Run: pip install 'streamflow-live\[link\]'"):
        LinkControl(lambda: 0.0).open(ParameterStore(Library(tmp_path)))
