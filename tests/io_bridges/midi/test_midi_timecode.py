"""MIDI timecode as mido writes it: times, moves, gaps, other bytes; and the cues that a timeline calls."""

from collections.abc import Iterator

import mido
import pytest
from hypothesis import given
from hypothesis import strategies as st

from io_bridges.midi.timecode import CueTimes, MtcPosition, MtcReader
from presets.timecode import RATES, Timecode, TimecodeRate, frame_number, parse_timecode, time_of_frame


def quarter_frames(start: str, rate: TimecodeRate, frames: int) -> Iterator[tuple[Timecode, bytes]]:
    """Yield each quarter frame of a timeline that runs from an even frame, with the frame at which it is sent."""
    first = frame_number(parse_timecode(start), rate)
    for quarter in range(frames * 4):
        time, piece = time_of_frame(first + quarter // 8 * 2, rate), quarter % 8
        hours = time.hours | RATES.index(rate) << 5
        part = (time.frames, time.seconds, time.minutes, hours)[piece // 2]
        value = part >> 4 if piece % 2 else part & 15
        message = mido.Message("quarter_frame", frame_type=piece, frame_value=value)
        yield time_of_frame(first + quarter // 4, rate), bytes(message.bytes())


def full_frame(time: str, rate: TimecodeRate) -> bytes:
    hours, minutes, seconds, frames = parse_timecode(time)
    data = (0x7F, 0x7F, 1, 1, hours | RATES.index(rate) << 5, minutes, seconds, frames)
    return bytes(mido.Message("sysex", data=data).bytes())


@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize("start", ["00:00:00:00", "01:09:58:20", "23:59:59:00"])
def test_time_is_known_after_two_frames(start: str, rate: TimecodeRate) -> None:
    reader = MtcReader()
    for place, (time, message) in enumerate(quarter_frames(start, rate, 100)):
        position = reader.read(message)
        assert position == (None if place < 7 else MtcPosition(time, rate, True)), place


def test_gaps_and_moves_are_found_again() -> None:
    reader, messages = MtcReader(), [*quarter_frames("00:10:00:00", "25", 40)]
    for place, (time, message) in enumerate(messages):
        if place == 50:  # piece 2 is lost
            continue
        position = reader.read(message)
        assert position == (None if place < 7 or 50 < place < 63 else MtcPosition(time, "25", True)), place
    assert reader.read(full_frame("02:00:00:10", "25")) == MtcPosition(Timecode(2, 0, 0, 10), "25", False)
    found = [reader.read(message) for _, message in quarter_frames("02:00:00:10", "25", 4)]
    assert found[6:8] == [None, MtcPosition(Timecode(2, 0, 0, 11), "25", True)]


def test_backwards_has_no_place() -> None:
    reader = MtcReader()
    for _, message in reversed([*quarter_frames("00:10:00:00", "24", 40)]):
        assert reader.read(message) is None


@given(
    st.lists(st.binary(max_size=11) | st.builds(lambda value: bytes([0xF1, value]), st.integers(0, 255)), max_size=40)
)
def test_any_bytes_are_read(messages: list[bytes]) -> None:
    reader = MtcReader()
    for message in messages:
        position = reader.read(message)
        assert position is None or position.time.is_valid(position.rate)


CUES = [(parse_timecode(text), number) for number, text in ((1, "01:00:00:00"), (2, "01:00:02:00"), (4, "01:00:04:12"))]


def called(cues: CueTimes, start: str, frames: int, rate: TimecodeRate = "25") -> list[tuple[str, int]]:
    """Return the cues that a timeline calls from a place on, with their times."""
    reader, found = MtcReader(), []
    for time, message in quarter_frames(start, rate, frames):
        position = reader.read(message)
        number = None if position is None else cues.take(position)
        if number is not None:
            found.append((str(time), number))
    return found


def test_cues_go_at_their_frames() -> None:
    for rate in RATES:
        found = called(CueTimes(CUES), "00:59:58:00", 240, rate)
        assert found == [("01:00:00:00", 1), ("01:00:02:00", 2), ("01:00:04:12", 4)]


def test_start_in_the_middle_calls_the_cue_of_that_place() -> None:
    cues = CueTimes(CUES)
    assert called(cues, "01:00:03:00", 10) == [("01:00:03:01", 2)]
    assert called(cues, "01:00:02:12", 20) == [], "it is the last one that was called"
    assert called(cues, "01:00:00:10", 60) == [("01:00:00:11", 1), ("01:00:02:00", 2)]
    assert called(cues, "00:10:00:00", 10) == []
    assert called(cues, "01:00:03:00", 10) == [("01:00:03:01", 2)], "the timeline was before all cues"


def test_moves_call_a_cue_when_the_timeline_runs() -> None:
    cues, reader = CueTimes(CUES), MtcReader()
    called(cues, "00:59:58:00", 60)
    moved = reader.read(full_frame("01:00:04:12", "25"))
    assert moved is not None
    assert cues.take(moved) is None
    assert called(cues, "01:00:04:12", 10) == [("01:00:04:13", 4)]
