"""A call reuses features if each of its rows stands where one of the last whole call stood, and nothing has changed."""

from dataclasses import replace
from typing import Any, cast

import numpy as np
import pytest

from pipeline.conditioning import Conditioning
from pipeline.guidance import Guidance
from pipeline.reuse.reuse_decision import ReuseDecision
from pipeline.reuse.source_path import ALL, SourcePath
from pipeline.schedule import FlowSchedule
from pipeline.schedules.flow_matching import flow_matching_schedule
from pipeline.slots import PictureReuse, Slot
from presets.frame_parameters import NoiseWeight

SCHEDULE = flow_matching_schedule(2, 1.0)
TEXTS = [cast(Conditioning, object()) for _ in range(2)]
LIMITS = PictureReuse(longest=2, change=5.0, path=10.0, settings=("image", 1.0))
SAME: dict[str, Any] = {
    "schedule": SCHEDULE,
    "guidance": Guidance(),
    "noise": (NoiseWeight(3),),
    "has_source": True,
    "numbers": (0.5,),
    "reuse": LIMITS,
}


def slot(row: int = 0, **changed: Any) -> Slot:
    made = Slot(ticket=None, **(SAME | changed))
    made.row = row
    return made


def call(decision: ReuseDecision, *slots: Slot, text: int = 0) -> bool:
    stepping = list(enumerate(slots))
    texts = [TEXTS[text]] * len(slots)
    reused = decision.reuses(stepping, texts)
    decision.record(reused, stepping, texts)
    return reused


def test_longest_run_of_reuse() -> None:
    decision = ReuseDecision(True)
    assert [call(decision, slot(1), slot(0)) for _ in range(7)] == [False, True, True, False, True, True, False]
    assert decision.reused == 4


@pytest.mark.parametrize(
    "changed",
    [
        {"row": 1},
        {"schedule": replace(SCHEDULE)},
        {"guidance": Guidance(2.0)},
        {"noise": (NoiseWeight(4),)},
        {"has_source": False},
        {"numbers": (0.6,)},
        {"reuse": LIMITS._replace(longest=0)},
        {"reuse": LIMITS._replace(path=15.1)},
        {"reuse": LIMITS._replace(settings=("image", 0.9))},
        {"text": 1},
    ],
    ids="".join,
)
def test_change_computes_anew(changed: dict[str, Any]) -> None:
    text = changed.pop("text", 0)
    decision = ReuseDecision(True)
    call(decision, slot(1), slot(0))
    assert call(decision, slot(1), slot(0))
    assert not call(decision, slot(1), slot(**{"row": 0} | changed), text=text)
    again = call(decision, slot(1), slot(**{"row": 0} | changed), text=text)
    assert again is ("reuse" not in changed or changed["reuse"].longest > 0), "it is kept from then on"


def test_other_number_of_rows_computes_anew() -> None:
    decision = ReuseDecision(True)
    call(decision, slot(1), slot(0))
    assert not call(decision, slot(0))


def test_features_given_up() -> None:
    decision = ReuseDecision(True)
    call(decision, slot())
    decision.forget()
    assert not call(decision, slot())
    stepping = [(0, slot(1))]
    assert not decision.reuses(stepping, TEXTS), "another row"
    assert not decision.reuses([(0, slot())], TEXTS), "that call has overwritten the features, and failed"


def test_network_without_features() -> None:
    decision = ReuseDecision(False)
    assert not any(call(decision, slot()) for _ in range(3))


def test_path_bounds_every_change() -> None:
    """Two pictures differ in no tile by more than their places on the path: reckoned in NumPy, tile by tile."""
    random = np.random.default_rng(8)
    pictures = [random.integers(0, 256, (64, 64, 3), dtype=np.uint8) for _ in range(2)]
    small = pictures[0].copy()
    small[8:16, 24:32] = 255 - small[8:16, 24:32]  # one tile of 64
    pictures += [small, pictures[0], pictures[0]]
    path = SourcePath(64, 64)
    places = [path.advance(picture) for picture in pictures]
    assert path.advance(None) == places[-1]
    assert places[0] == ALL
    assert places[-1] == places[-2], "the same picture again"

    def largest(one: np.ndarray[Any, Any], other: np.ndarray[Any, Any]) -> float:
        change = abs(one.astype(float) - other.astype(float))
        return float(change.reshape(8, 8, 8, 8, 3).mean((1, 3)).max()) * 100 / 255

    for index in range(1, len(pictures)):
        step = places[index] - places[index - 1]
        assert step == pytest.approx(largest(pictures[index], pictures[index - 1]), rel=1e-5)
        for earlier in range(index):
            assert places[index] - places[earlier] >= largest(pictures[index], pictures[earlier]) - 1e-6
    assert largest(small, pictures[0]) > 20 > 100 * abs(small.astype(float) - pictures[0]).mean() / 255


def test_large_picture_is_sampled() -> None:
    path = SourcePath(800, 96)
    black, white = np.zeros((96, 800, 3), np.uint8), np.full((96, 800, 3), 255, np.uint8)
    path.advance(black)
    assert path.advance(white) == pytest.approx(ALL + 100.0)


def test_schedules_are_told_by_identity() -> None:
    """The schedule of equal settings is one object, so that pictures with equal settings share it."""
    assert flow_matching_schedule(2, 1.0) is SCHEDULE
    assert isinstance(SCHEDULE, FlowSchedule)
