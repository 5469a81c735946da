"""`FloodLimiter`: who waits in a flood, and who never does."""

import pytest

from io_bridges.osc.flood_limiter import FLOOD, INTERVAL, TORRENT, FloodLimiter


def rests(drains: list[tuple[float, int]]) -> list[float]:
    """Seconds of rest after each drain, given as intervals since the beginning and datagrams found."""
    moderation = FloodLimiter()
    return [moderation.rest(at * INTERVAL, found) - at * INTERVAL for at, found in drains]


def test_two_intervals_full_of_datagrams_are_a_flood() -> None:
    full = FLOOD + 1
    assert rests([(0, full), (1, full), (2, full)]) == [0, INTERVAL, INTERVAL]


def test_datagrams_that_come_one_by_one_are_a_flood_as_well() -> None:
    each = [(place / 20, 1) for place in range(40)]
    before, then = rests(each)[:20], rests(each)[20:]
    assert before == [0] * 20
    assert then[:FLOOD] == [0] * FLOOD
    assert then[FLOOD] == pytest.approx(INTERVAL - FLOOD / 20 * INTERVAL)


def test_one_fader_never_waits() -> None:
    assert rests([(place / 2, 1) for place in range(100)]) == [0] * 100


def test_gestures_of_many_faders_never_wait() -> None:
    assert rests([(3 * place, 30) for place in range(100)]) == [0] * 100


def test_a_lone_message_after_a_flood_is_not_held() -> None:
    assert rests([(0, 20), (1, 20), (2, 1), (3, 1)]) == [0, INTERVAL, 0, 0]
    assert rests([(0, 20), (1, 20), (9, 20)]) == [0, INTERVAL, 0]


def test_a_torrent_is_read_without_a_rest() -> None:
    assert rests([(place, TORRENT) for place in range(10)]) == [0] * 10
