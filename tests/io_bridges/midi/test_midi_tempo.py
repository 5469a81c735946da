"""The tempo of a MIDI clock, whose ticks arrive early and late."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from io_bridges.midi.tempo import TICKS_IN_A_BEAT, MidiTempo


def play(
    tempo: MidiTempo, bpm: float, beats: float, start: float = 0.0, jitter: float = 0.0
) -> tuple[list[float], float]:
    """Play a clock. Return the tempos that it had, and the time of the tick that follows."""
    draw = random.Random(7)
    spacing = 60.0 / bpm / TICKS_IN_A_BEAT
    ticks = [start + spacing * place for place in range(round(beats * TICKS_IN_A_BEAT))]
    late = sorted(tick + draw.uniform(0, jitter) for tick in ticks)
    return [found for tick in late if (found := tempo.tick(tick)) is not None], ticks[-1] + spacing


@given(bpm=st.floats(20, 400))
def test_even_clock_has_its_tempo(bpm: float) -> None:
    found, _ = play(MidiTempo(), bpm, 3)
    assert len(found) >= 4
    assert found == pytest.approx([bpm] * len(found), abs=0.01)


@pytest.mark.parametrize("bpm", [60, 128, 174])
def test_uneven_ticks_are_smoothed(bpm: float) -> None:
    found, _ = play(MidiTempo(), bpm, 16, jitter=0.005)
    assert found[4:] == pytest.approx([bpm] * len(found[4:]), rel=0.005)
    assert found[-1] == pytest.approx(bpm, rel=0.0005)


def test_change_is_followed_within_two_beats() -> None:
    tempo = MidiTempo()
    _, then = play(tempo, 120, 8, jitter=0.003)
    found, _ = play(tempo, 140, 2, start=then, jitter=0.003)
    assert found[-1] == pytest.approx(140, rel=0.005)


def test_late_delivery_is_no_change() -> None:
    tempo = MidiTempo()
    spacing = 60.0 / 120 / TICKS_IN_A_BEAT
    # A busy machine delivers some ticks together, a tenth of a second late.
    ticks = [spacing * place + (0.1 if place % 96 == 90 else 0.0) for place in range(480)]
    ticks = [max(ticks[: place + 1]) for place in range(480)]
    found = [bpm for tick in ticks if (bpm := tempo.tick(tick)) is not None]
    assert found == pytest.approx([120.0] * len(found), rel=0.03)


def test_clock_that_stops_says_nothing() -> None:
    tempo = MidiTempo()
    _, then = play(tempo, 120, 4)
    found, _ = play(tempo, 90, 2, start=then + 5.0)
    assert found == pytest.approx([90.0] * len(found), abs=0.01)
    restarted, _ = play(tempo, 60, 1, start=0.0)
    assert restarted == pytest.approx([60.0] * len(restarted), abs=0.01), "the device's process began anew"


def test_ticks_at_one_time_are_no_tempo() -> None:
    tempo = MidiTempo()
    assert [tempo.tick(1.0) for _ in range(100)] == [None] * 100
