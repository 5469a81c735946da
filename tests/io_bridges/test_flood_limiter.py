"""`FloodLimiter`: a pause in floods only."""

import pytest

from io_bridges.osc.flood_control import FLOOD, INTERVAL, TORRENT, FloodLimiter


def pauses(drains: list[tuple[float, int]]) -> list[float]:
    """Return the pause in seconds after each drain, given as (start in intervals, number of datagrams)."""
    limiter = FloodLimiter()
    return [limiter.pause_until(at * INTERVAL, count) - at * INTERVAL for at, count in drains]


def test_two_full_intervals_are_a_flood() -> None:
    full = FLOOD + 1
    assert pauses([(0, full), (1, full), (2, full)]) == [0, INTERVAL, INTERVAL]


def test_single_datagrams_can_be_a_flood() -> None:
    each = [(place / 20, 1) for place in range(40)]
    before, then = pauses(each)[:20], pauses(each)[20:]
    assert before == [0] * 20
    assert then[:FLOOD] == [0] * FLOOD
    assert then[FLOOD] == pytest.approx(INTERVAL - FLOOD / 20 * INTERVAL)


def test_one_fader_never_waits() -> None:
    assert pauses([(place / 2, 1) for place in range(100)]) == [0] * 100


def test_gestures_never_wait() -> None:
    assert pauses([(3 * place, 30) for place in range(100)]) == [0] * 100


def test_no_pause_after_a_flood() -> None:
    assert pauses([(0, 20), (1, 20), (2, 1), (3, 1)]) == [0, INTERVAL, 0, 0]
    assert pauses([(0, 20), (1, 20), (9, 20)]) == [0, INTERVAL, 0]


def test_no_pause_in_a_torrent() -> None:
    assert pauses([(place, TORRENT) for place in range(10)]) == [0] * 10
