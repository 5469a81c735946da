"""Absolute deadlines: beats are counted from the start, and what is late is skipped."""

import time

from io_bridges.ticker import Ticker


def test_beats_come_in_their_order_and_never_early():
    start = time.monotonic()
    pace = Ticker(100)
    beats = []
    while len(beats) < 10:
        beat = pace.wait(5.0)
        assert beat is not None
        assert time.monotonic() - start >= beat / 100
        beats.append(beat)
    assert beats == sorted(set(beats))


def test_beats_that_passed_are_skipped_not_caught_up():
    pace = Ticker(100)
    assert pace.wait(1.0) is not None
    time.sleep(0.2)
    first = pace.wait(1.0)
    assert first is not None
    assert first >= 20
    second = pace.wait(5.0)
    assert second is not None
    assert second > first


def test_a_beat_that_is_not_due_in_time_is_still_to_come():
    pace = Ticker(0.5)
    assert pace.wait(0.0) == 0
    assert pace.wait(0.01) is None
    assert pace.wait(0.0) is None
