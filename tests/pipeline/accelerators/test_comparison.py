from collections.abc import Callable

import pytest

from pipeline.accelerators.comparison import PAIRS, UNCOUNTED, PairedTiming


class SlowMotion:
    """A timer that moves only by the work done."""

    def __init__(self) -> None:
        self.now = 0.0
        self.order: list[str] = []

    def __call__(self) -> float:
        return self.now

    def work(self, name: str, seconds: Callable[[int], float]) -> Callable[[int], None]:
        def do(size: int) -> None:
            self.order.append(name)
            self.now += seconds(size)

        return do


def ratio(playing: Callable[[int], float], challenger: Callable[[int], float], sizes: tuple[int, ...] = (4,)) -> float:
    timer = SlowMotion()
    comparison = PairedTiming(timer.work("a", playing), timer.work("b", challenger), sizes, timer)
    while not comparison.done:
        comparison.time_pair()
    assert len(timer.order) == 2 * (UNCOUNTED + PAIRS) * len(sizes)
    return comparison.ratio


def test_ratio_says_how_much_faster() -> None:
    assert ratio(lambda size: 0.031, lambda size: 0.020) == pytest.approx(1.55)
    assert ratio(lambda size: 0.020, lambda size: 0.031) == pytest.approx(1 / 1.55)


def test_turns_are_interleaved() -> None:
    timer = SlowMotion()
    comparison = PairedTiming(timer.work("a", lambda _: 1.0), timer.work("b", lambda _: 1.0), (4,), timer)
    for _ in range(3):
        comparison.time_pair()
    assert "".join(timer.order) == "abbaab"


def test_sizes_count_alike() -> None:
    """A large batch takes most of the time; a small one counts as much."""
    measured = ratio(lambda size: size * 1.0, lambda size: size / 2 if size == 1 else size * 2.0, (1, 8))
    assert measured == pytest.approx(1.0)


def test_first_calls_do_not_count() -> None:
    seconds = iter([9.0] * UNCOUNTED + [0.02] * PAIRS)
    assert ratio(lambda size: 0.02, lambda size: next(seconds)) == pytest.approx(1.0)


def test_stutter_does_not_count() -> None:
    """Something else takes the processor for less than half of the turns."""
    turns = iter([0.02] * UNCOUNTED + [0.02, 0.5, 0.02, 0.5, 0.02, 0.5, 0.02][:PAIRS])
    assert ratio(lambda size: next(turns), lambda size: 0.02) == pytest.approx(1.0)


def test_burst_meets_both_alike() -> None:
    """The machine gets ten times slower in the middle: pairs are compared, not sums."""
    calls = iter(range(10**6))
    slow = lambda: 10.0 if next(calls) >= 9 else 1.0  # noqa: E731
    assert ratio(lambda size: 0.03 * slow(), lambda size: 0.02 * slow()) == pytest.approx(1.5)
