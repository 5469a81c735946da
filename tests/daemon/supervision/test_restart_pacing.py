"""Delays between two starts of a renderer, on a clock set by hand."""

import pytest
from hand_clock import HandClock

from daemon.shared.clock import NS
from daemon.supervision.restart_pacing import RestartPacing


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


def delay(pacing: RestartPacing, clock: HandClock) -> float:
    return max(pacing.next_start - clock.now(), 0) / NS


def test_failures_back_off_to_ten_seconds(clock: HandClock) -> None:
    pacing, delays = RestartPacing(clock), []
    for _ in range(8):
        pacing.failed()
        delays.append(delay(pacing, clock))
    assert delays == [0.25, 0.5, 1, 2, 4, 8, 10, 10]


def test_kills_hardly_back_off(clock: HandClock) -> None:
    pacing, delays = RestartPacing(clock), []
    for count in range(1, 9):
        assert pacing.killed("building") == count
        delays.append(delay(pacing, clock))
    assert delays == [0, 0.25, 0.5, 1, 2, 2, 2, 2]


def test_kill_in_another_phase_counts_anew(clock: HandClock) -> None:
    pacing = RestartPacing(clock)
    assert [pacing.killed("building"), pacing.killed("building"), pacing.killed("loading")] == [1, 2, 1]
    assert delay(pacing, clock) == 0


def test_kills_do_not_add_to_failures(clock: HandClock) -> None:
    pacing = RestartPacing(clock)
    for _ in range(4):
        pacing.killed("building")
    pacing.failed()
    assert delay(pacing, clock) == 0.25


def test_forget_allows_a_start_at_once(clock: HandClock) -> None:
    pacing = RestartPacing(clock)
    for _ in range(6):
        pacing.failed()
    pacing.forget()
    assert delay(pacing, clock) == 0
    pacing.failed()
    assert delay(pacing, clock) == 0.25
