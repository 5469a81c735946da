import pytest

from daemon.shared.clock import NS
from daemon.stage import metrics
from daemon.stage.metrics import Delays, Intervals, Rate


def test_a_rate_is_events_a_second_and_falls_when_they_stop() -> None:
    rate = Rate(window=2.0)
    for event in range(60):
        rate.mark(event * NS // 30)
    now = 59 * NS // 30
    assert rate.per_second(now) == pytest.approx(30, rel=0.05)
    assert rate.per_second(now + NS) < 25
    assert rate.per_second(now + 3 * NS) == 0
    assert rate.total == 60


def test_a_rate_above_what_is_kept_is_still_told() -> None:
    rate = Rate(window=1.0)
    for event in range(2000):
        rate.mark(event * NS // 1000)
    assert rate.per_second(2 * NS) == pytest.approx(1000, rel=0.05)


def test_quantiles_of_delays_and_intervals() -> None:
    delays = Delays()
    assert delays.quantile(0.5) is None
    for delay in range(1, 102):
        delays.mark(delay * NS)
    assert delays.quantile(0.5) == 51
    assert delays.quantile(1.0) == 101
    intervals = Intervals()
    assert intervals.quantile(0.5) is None
    for mark in (0, 1, 2, 3, 13):
        intervals.mark(mark * NS)
    assert intervals.quantile(0.5) == 1
    assert intervals.quantile(0.999) == 10
    intervals.mark(13 * NS + NS // 2)
    assert intervals.quantile(0.0) == 0.5
    assert intervals.quantile(0.999) == 10


def test_whoever_asks_all_the_time_does_not_have_everything_sorted_each_time(monkeypatch: pytest.MonkeyPatch) -> None:
    intervals = Intervals()
    for mark in range(100):
        intervals.mark(mark * NS // 60)
    told = intervals.quantile(0.5)
    monkeypatch.setattr(metrics, "pairwise", None)  # it would raise
    intervals.mark(100 * NS // 60)
    assert intervals.quantile(0.5) == told
    monkeypatch.undo()
    for mark in range(300):
        intervals.mark((2 + mark) * NS)
    assert intervals.quantile(0.5) == 1
