"""The measurement behind `auto`, with engines whose speed is a table and a clock that only they move."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest

from pipeline.accelerators.candidates import Candidate, Choices
from pipeline.accelerators.engines import one_after_another
from pipeline.accelerators.tuning_record import TuningRecord
from pipeline.engine_tuner import SETTLED, EngineTuner, TuningTask
from presets.errors import AcceleratorUnavailable

CHOICES = Choices((("openvino", "bfloat16"), ("openvino", "float32")), (2, 1), (2,))
B2, B1 = Candidate("openvino", "bfloat16", 2, 2), Candidate("openvino", "bfloat16", 1, 2)
F2, F1 = Candidate("openvino", "float32", 2, 2), Candidate("openvino", "float32", 1, 2)


class TimedEngines:
    def __init__(self, rig: "Rig", candidate: Candidate) -> None:
        self.rig = rig
        self.candidate = candidate

    def rehearse(self, size: int) -> None:
        self.rig.rehearsed.append((self.candidate, size))
        seconds = self.rig.seconds[self.candidate]
        if isinstance(seconds, Exception):
            raise seconds
        self.rig.now += seconds


class Rig:
    """A stream, a builder and a clock."""

    def __init__(self, seconds: dict[Candidate, float | Exception], choices: Choices = CHOICES) -> None:
        self.seconds = seconds
        self.now = 0.0
        self.rehearsed: list[tuple[Candidate, int]] = []
        self.built: list[Candidate] = []
        self.built_whole: list[Candidate] = []
        self.kept: list[TuningRecord] = []
        self.whys: list[str] = []
        self.hot_sizes: tuple[int, ...] = (4,)
        self.prepared: Any = TimedEngines(self, choices.likeliest)
        self.held: list[Callable[[], None]] = []
        self.at_once = True
        task = TuningTask(
            self, choices, choices.likeliest, self.build, self.kept.append, lambda: self.now, self.in_background
        )
        self.tuner = EngineTuner(task)

    def exchange(self, prepared: TimedEngines) -> None:
        self.prepared = prepared

    def explain(self, why: str) -> None:
        self.whys.append(why)

    def build(self, candidate: Candidate, sizes: tuple[int, ...]) -> TimedEngines:
        (self.built if sizes else self.built_whole).append(candidate)
        seconds = self.seconds[candidate]
        if isinstance(seconds, AcceleratorUnavailable):
            raise seconds
        return TimedEngines(self, candidate)

    def in_background(self, work: Sequence[Callable[[], Any]]) -> Iterator[Any]:
        """Runs work at once, or when the test lets it go."""
        results: list[Any] = []

        def run() -> None:
            for piece in work:
                try:
                    results.append(piece())
                except AcceleratorUnavailable as error:
                    results.append(error)

        if self.at_once:
            run()
        else:
            self.held.append(run)

        def answers() -> Iterator[Any]:
            for result in results:
                if isinstance(result, Exception):
                    raise result
                yield result

        return answers()

    def play(self, calls: int = 1000) -> int:
        """Advance after every network call until done; return how often the description changed."""
        return sum(self.tuner.advance() for _ in range(calls) if not self.tuner.done)


def test_faster_challenger_takes_over() -> None:
    """Likelier bfloat16 takes 1.55 times as long as float32, as on a processor that only reports it."""
    rig = Rig({B2: 0.031, F2: 0.020, F1: 0.025})
    rig.play()
    assert rig.tuner.done
    assert rig.prepared.candidate == F2
    assert rig.built == [F2, F1], "requests are compared in the better precision"
    assert rig.built_whole == [F2], "only what wins is built for every size"
    (record,) = rig.kept
    assert record.best == F2
    assert record.slower == pytest.approx({B2: 1.55, F1: 1.25})
    assert rig.whys[0] == "float32: 1.55 × bfloat16 here"
    assert rig.whys[-1] == "float32, 2 requests: 1.55 × bfloat16, 1.25 × 1 request here"


def test_likeliest_stays_where_it_is_faster() -> None:
    rig = Rig({B2: 0.020, F2: 0.030, B1: 0.022})
    assert rig.play() == 1, "the description changes at the end only"
    assert rig.prepared.candidate == B2
    assert rig.kept[0].slower == pytest.approx({F2: 1.5, B1: 1.1})


def test_second_winner_keeps_all_ratios() -> None:
    rig = Rig({B2: 0.040, F2: 0.020, F1: 0.010})
    rig.play()
    assert rig.kept == [TuningRecord(F1, pytest.approx({B2: 4.0, F2: 2.0}))]


def test_equal_challenger_does_not_take_over() -> None:
    rig = Rig({B2: 0.0202, F2: 0.0200, B1: 0.0201})
    rig.play()
    assert rig.prepared.candidate == B2
    assert rig.kept[0].best == B2


def test_show_settles_first() -> None:
    rig = Rig({B2: 0.02, F2: 0.03, B1: 0.03})
    for _ in range(SETTLED - 1):
        assert not rig.tuner.advance()
    assert not rig.built
    rig.tuner.advance()
    assert rig.built == [F2]


def test_show_goes_on_while_challenger_is_built() -> None:
    rig = Rig({B2: 0.03, F2: 0.02, F1: 0.03})
    rig.at_once = False
    rig.play(200)
    assert not rig.rehearsed
    rig.at_once = True
    rig.held.pop()()
    rig.play()
    assert rig.prepared.candidate == F2


def test_one_pair_between_two_frames() -> None:
    rig = Rig({B2: 0.03, F2: 0.02, F1: 0.03})
    for _ in range(SETTLED + 10):
        before = len(rig.rehearsed)
        rig.tuner.advance()
        assert len(rig.rehearsed) - before <= 2


def test_sizes_are_those_being_played() -> None:
    rig = Rig({B2: 0.03, F2: 0.02, F1: 0.03})
    rig.hot_sizes = (3, 8)
    rig.play()
    assert {size for _, size in rig.rehearsed} == {3, 8}


@pytest.mark.parametrize("error", [AcceleratorUnavailable("no memory"), RuntimeError("compile_model failed")])
def test_failing_challenger_is_left_out(error: Exception) -> None:
    rig = Rig({B2: 0.03, F2: error, B1: 0.02})
    rig.play()
    assert rig.prepared.candidate == B1
    assert rig.kept[0].slower == pytest.approx({B2: 1.5})


def test_nothing_is_kept_without_comparison() -> None:
    failing = AcceleratorUnavailable("no memory")
    rig = Rig({B2: 0.03, F2: failing, B1: failing})
    assert rig.play() == 0
    assert rig.tuner.done
    assert not rig.kept
    assert not rig.whys


def test_finish_measures_without_show() -> None:
    rig = Rig({B2: 0.031, F2: 0.020, F1: 0.025})
    task = TuningTask(rig, CHOICES, B2, rig.build, rig.kept.append, lambda: rig.now, one_after_another)
    EngineTuner(task).finish()
    assert rig.kept[0].best == rig.prepared.candidate == F2


def test_graphics_card_compares_accelerators() -> None:
    graphs, other, eager = (
        Candidate("cuda_graphs", "float16"),
        Candidate("cuda_graphs", "bfloat16"),
        Candidate("eager", "float16"),
    )
    choices = Choices((("cuda_graphs", "float16"), ("cuda_graphs", "bfloat16"), ("eager", "float16")))
    rig = Rig({graphs: 0.010, other: 0.0101, eager: 0.016}, choices)
    rig.play()
    assert rig.kept[0].best == graphs
    assert rig.whys == ["cuda_graphs float16: 1.01 × bfloat16, 1.60 × eager here"]
