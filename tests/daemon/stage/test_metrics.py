"""Rates, silence, delays and intervals."""

import numpy as np
import pytest

from daemon.shared.clock import NS
from daemon.stage import metrics
from daemon.stage.metrics import Delays, Intervals, Lead, PictureRate, Rate
from io_bridges.frames import RenderedFrame


def test_rate_falls_when_events_stop() -> None:
    rate = Rate(window=2.0)
    for event in range(60):
        rate.mark(event * NS // 30)
    now = 59 * NS // 30
    assert rate.per_second(now) == pytest.approx(30, rel=0.05)
    assert rate.per_second(now + NS) < 25
    assert rate.per_second(now + 3 * NS) == 0
    assert rate.total == 60


def test_rate_above_the_kept_marks() -> None:
    rate = Rate(window=1.0)
    for event in range(2000):
        rate.mark(event * NS // 1000)
    assert rate.per_second(2 * NS) == pytest.approx(1000, rel=0.05)


def test_silence_is_relative_to_the_rate() -> None:
    fast, slow, new = Rate(), Rate(), Rate()
    for event in range(50):
        fast.mark(event * NS // 30)
        slow.mark(event * 10 * NS)
    assert fast.silence(49 * NS // 30 + 2 * NS) == 0
    assert fast.silence(49 * NS // 30 + 4 * NS) == pytest.approx(4)
    assert slow.silence(490 * NS + 40 * NS) == 0
    assert slow.silence(490 * NS + 51 * NS) == pytest.approx(51)
    assert new.silence(NS) == 0
    new.mark(NS)
    assert new.silence(9 * NS) == pytest.approx(8)


def test_one_pause_does_not_hide_the_next() -> None:
    rate = Rate()
    for start in (0, 60 * NS):
        for event in range(10):
            rate.mark(start + event * NS // 30)
    assert rate.silence(65 * NS) > 0


def test_repeated_pictures_are_not_counted() -> None:
    moving = False
    rate = PictureRate(lambda: moving)

    def count(source_index: int, revision: int) -> int:
        before = rate.total
        rate.count(RenderedFrame(np.zeros((8, 8, 3), dtype=np.uint8), 1, source_index, 0, revision), NS)
        return rate.total - before

    assert [count(-1, 1), count(-1, 1), count(-1, 2), count(-1, 2)] == [1, 0, 1, 0]
    assert [count(7, 2), count(7, 2)] == [1, 1], "a source may differ"
    moving = True
    assert [count(-1, 2), count(-1, 2)] == [1, 1]


def test_quantiles_of_intervals() -> None:
    intervals = Intervals()
    assert intervals.quantile(0.5) is None
    for mark in (0, 1, 2, 3, 13):
        intervals.mark(mark * NS)
    assert intervals.quantile(0.5) == 1
    assert intervals.quantile(0.999) == 10
    intervals.mark(13 * NS + NS // 2)
    assert intervals.quantile(0.0) == 0.5
    assert intervals.quantile(0.999) == 10


def test_delays_of_the_last_seconds() -> None:
    delays = Delays(window=5.0)
    assert delays.median_and_p99(0) is None
    for second in range(200):
        delays.mark((second + 1) * NS // 1000, NS)
    assert delays.median_and_p99(2 * NS) == (0.101, 0.199)
    delays.mark(7 * NS, 6 * NS + 1)
    assert delays.median_and_p99(6 * NS + 1) == (7.0, 7.0), "the last seconds only"
    assert delays.median_and_p99(12 * NS) is None


def test_quantile_is_cached_for_a_second(monkeypatch: pytest.MonkeyPatch) -> None:
    intervals = Intervals()
    for mark in range(100):
        intervals.mark(mark * NS // 60)
    cached = intervals.quantile(0.5)
    monkeypatch.setattr(metrics, "pairwise", None)  # it would raise
    intervals.mark(100 * NS // 60)
    assert intervals.quantile(0.5) == cached
    monkeypatch.undo()
    for mark in range(300):
        intervals.mark((2 + mark) * NS)
    assert intervals.quantile(0.5) == 1


def test_lead_is_the_usual_one() -> None:
    lead = Lead()
    assert lead.seconds(10 * NS) == 0.0
    for number in range(20):
        lead.mark((NS // 10) if number else NS, 11 * NS)
    assert lead.seconds(11 * NS) == 0.1
    assert lead.seconds(60 * NS) == 0.1, "it stays while no picture comes"
    lead.mark(NS // 5, 60 * NS)
    assert lead.seconds(60 * NS + NS // 8) == 0.1, "not computed again within a quarter of a second"
    assert lead.seconds(61 * NS) == 0.2
