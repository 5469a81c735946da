"""The beats of a MIDI clock's song: positions, stops, and a show that stays in step for 600 beats."""

import random
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.shared.clock import NS
from daemon.stage.parameter_store import ParameterStore
from daemon.stage.tempo_clock import TempoClock
from io_bridges.midi.control import MidiControl
from io_bridges.midi.device import MidiDevice
from io_bridges.midi.song_clock import ArrivalDelay, SongClock
from presets.library import Library
from presets.midi_file import MidiSetup, parse_mapping
from presets.taken_message import TakenMessage

START, CONTINUE, STOP, TICK = b"\xfa", b"\xfb", b"\xfc", b"\xf8"


def beats(song: SongClock, ticks: int) -> list[float | None]:
    return [song.tick()[0] for _ in range(ticks)]


def test_song_counts_while_it_runs() -> None:
    song = SongClock()
    assert beats(song, 3) == [None] * 3
    song.take(START)
    assert song.tick() == (0.0, "start")
    assert song.tick() == (1 / 24, "")
    beats(song, 22)
    song.take(STOP)
    assert song.tick() == (None, "")
    song.take(CONTINUE)
    assert song.tick() == (1.0, "continue")
    song.take(START)
    assert song.tick() == (0.0, "start")


@given(sixteenths=st.integers(0, 16383), ticks=st.integers(0, 50))
def test_position_is_in_sixteenths(sixteenths: int, ticks: int) -> None:
    for runs in (False, True):
        song = SongClock()
        if runs:
            song.take(START)
            beats(song, 5)
        song.take(bytes([0xF2, sixteenths & 127, sixteenths >> 7]))
        if not runs:
            song.take(CONTINUE)
        assert song.tick() == (sixteenths / 4, "continue")
        assert beats(song, ticks) == [pytest.approx(sixteenths / 4 + (tick + 1) / 24) for tick in range(ticks)]


@given(data=st.binary(min_size=1, max_size=4))
def test_no_message_of_the_transport_raises(data: bytes) -> None:
    song = SongClock()
    song.take(b"\xf2" + data)
    song.take(START)
    assert song.tick() == (0.0, "start")


def test_delay_is_over_the_quickest() -> None:
    delay = ArrivalDelay()
    found = [
        delay.of(seconds, 100 + seconds + late) for seconds, late in ((0, 0.01), (1, 0.002), (2, 0.05), (3, 0.002))
    ]
    assert found == pytest.approx([0, 0, 0.048, 0], abs=1e-4)
    assert delay.of(0.0, 104.0) == 0, "the device's process began anew"


class Followed:
    """A show on a clock that the test sets, which hears a MIDI clock."""

    def __init__(self, folder: Path, mapping: str) -> None:
        self.time = 1
        self.store = ParameterStore(Library(folder), tempo=TempoClock(self))
        setup = MidiSetup(("box",), parse_mapping(mapping.encode(), "test"), folder / "midi.yaml")
        self.control = MidiControl(setup, MidiDevice, beats=self.store.beats)
        self.control.open(self.store)

    def now(self) -> int:
        return self.time

    def sleep_until(self, moment: int) -> None:
        raise AssertionError

    def hear(self, seconds: float, data: bytes, late: float = 0.0) -> None:
        """Take a message that the device stamps at this time, and that comes so much later."""
        self.time = round((seconds + late) * NS)
        self.control._receive(self.control._devices[0], seconds, data, seconds + late)


def play(followed: Followed, bpm: float, ticks: int) -> list[float]:
    """Play a song whose ticks come early and late. Return how far the show is from it at each beat after the eighth."""
    draw, apart = random.Random(3), []
    followed.hear(0.0, START)
    for tick in range(ticks):
        true = 1 + tick * 60 / bpm / 24
        stamp, late = true + draw.uniform(0, 0.003), 0.05 if tick % 96 == 0 else draw.uniform(0, 0.004)
        followed.hear(max(stamp, 0.0), TICK, late)
        if tick >= 8 * 24 and tick % 24 == 12:
            apart.append(followed.store.beats() - (followed.time / NS - 1) * bpm / 60)
    return apart


@pytest.mark.parametrize("bpm", [97.97, 174.3])
def test_show_stays_in_step(tmp_path: Path, bpm: float) -> None:
    followed = Followed(tmp_path, "clock: /bpm\nstart: /resync")
    apart = play(followed, bpm, 24 * 600)
    assert max(map(abs, apart)) < 0.035
    assert int(str(followed.control.status()["accepted"])) < 40, "few corrections in 600 beats"


def test_clock_without_its_start_leaves_the_beats(tmp_path: Path) -> None:
    followed = Followed(tmp_path, "clock: /bpm")
    notes: list[TakenMessage] = []
    followed.store.note_messages(notes.append)
    play(followed, 97.97, 24 * 20)
    assert {message.address for message in notes} == {"/bpm"}
