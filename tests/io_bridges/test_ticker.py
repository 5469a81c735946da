"""`Ticker`: ticks numbered from the start, and missed ticks skipped."""

import time

from io_bridges.ticker import Ticker


def test_ticks_in_order_and_never_early():
    start = time.monotonic()
    ticker = Ticker(100)
    ticks = []
    while len(ticks) < 10:
        tick = ticker.wait(5.0)
        assert tick is not None
        assert time.monotonic() - start >= tick / 100
        ticks.append(tick)
    assert ticks == sorted(set(ticks))


def test_missed_ticks_are_skipped():
    ticker = Ticker(100)
    assert ticker.wait(1.0) is not None
    time.sleep(0.2)
    first = ticker.wait(1.0)
    assert first is not None
    assert first >= 20
    second = ticker.wait(5.0)
    assert second is not None
    assert second > first


def test_timeout_keeps_the_next_tick():
    ticker = Ticker(0.5)
    assert ticker.wait(0.0) == 0
    assert ticker.wait(0.01) is None
    assert ticker.wait(0.0) is None
