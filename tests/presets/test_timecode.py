"""Timecode: counted frame by frame at each rate, and read from texts."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from presets.errors import ParameterRefused
from presets.timecode import RATES, WHOLE, Timecode, TimecodeRate, frame_number, parse_timecode, time_of_frame


@pytest.mark.parametrize("rate", RATES)
def test_frames_are_counted_one_by_one(rate: TimecodeRate) -> None:
    """Eleven minutes by the rule itself: 29.97 has no frames 0 and 1 at each minute but every tenth."""
    number = 0
    for minute in range(11):
        for second in range(60):
            for frame in range(WHOLE[rate]):
                if rate == "29.97" and second == 0 and frame < 2 and minute % 10:
                    continue
                time = Timecode(0, minute, second, frame)
                assert (frame_number(time, rate), time_of_frame(number, rate)) == (number, time)
                number += 1


def test_a_day_of_drop_frame() -> None:
    assert frame_number(Timecode(1, 0, 0, 0), "29.97") == 107_892  # SMPTE 12M
    assert frame_number(Timecode(23, 59, 59, 29), "29.97") == 2_589_407
    assert time_of_frame(2_589_408, "29.97") == Timecode(0, 0, 0, 0)


@given(number=st.integers(0, 24 * 3600 * 24 - 1), rate=st.sampled_from(RATES))
def test_every_frame_has_a_time(number: int, rate: TimecodeRate) -> None:
    time = time_of_frame(number, rate)
    assert time.is_valid(rate)
    assert frame_number(time, rate) == number
    assert parse_timecode(str(time)) == time


@given(text=st.text(max_size=14) | st.text("0123456789:;.", max_size=14))
def test_any_other_text_is_refused(text: str) -> None:
    try:
        time = parse_timecode(text)
    except ParameterRefused:
        return
    assert time.is_valid()


def test_forms_of_a_time() -> None:
    assert parse_timecode("1:02:03") == Timecode(1, 2, 3, 0)
    assert parse_timecode("01:02:03;04") == Timecode(1, 2, 3, 4)
    for text in ("24:00:00:00", "01:02:03:30", "01:02", "1:2:3:4", "now"):
        with pytest.raises(ParameterRefused, match="such as 01:02:03:04"):
            parse_timecode(text)
