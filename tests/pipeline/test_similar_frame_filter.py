"""Which pictures are left out: by how much they differ from the last one admitted, never by anything else's change."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from pipeline.similar_frame_filter import SimilarFrameFilter
from presets.parameters import Parameters

WIDTH, HEIGHT = 200, 72


def picture(seed: int = 0) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(20, 235, (HEIGHT, WIDTH, 3), dtype=np.uint8)


def after(admitted: NDArray[np.uint8] | None, look: object = "look") -> SimilarFrameFilter:
    still = SimilarFrameFilter(WIDTH, HEIGHT)
    still.admitted(admitted, look)
    return still


def test_the_threshold_is_the_mean_absolute_difference_in_percent() -> None:
    before = picture()
    coming = before + 5  # 5 of 255 grey levels are 1.96 %
    assert after(before).skips(coming, Parameters(skip=2.0), "look")
    assert not after(before).skips(coming, Parameters(skip=1.9), "look")
    assert after(before).skips(before, Parameters(skip=0.001), "look")
    assert not after(before).skips(before, Parameters(skip=0.0), "look"), "off"


@given(st.integers(0, 2**31), st.floats(1.0, 8.0))
def test_a_sample_of_places_stands_for_all_of_them(seed: int, amount: float) -> None:
    before = picture(seed)
    noise = np.random.default_rng(seed + 1).normal(0, amount, before.shape)
    coming = (before + noise).round().clip(0, 255).astype(np.uint8)
    percent = np.abs(coming.astype(float) - before).mean() * 100 / 255
    assert after(before).skips(coming, Parameters(skip=percent * 1.1), "look")
    assert not after(before).skips(coming, Parameters(skip=percent * 0.9), "look")


def test_slow_drift_is_not_missed() -> None:
    still, before = after(picture()), picture()
    drawn = []
    for step in range(1, 13):  # 0.39 % a picture
        coming = before + step
        if not still.skips(coming, Parameters(skip=1.5), "look"):
            drawn.append(step)
            still.admitted(coming, "look")
    assert drawn == [4, 8, 12]


def test_after_the_longest_run_a_picture_is_drawn() -> None:
    still, same = after(picture()), picture()
    parameters = Parameters(skip=1.0, skip_longest=3)
    skipped = []
    for _ in range(8):
        skipped.append(still.skips(same, parameters, "look"))
        if not skipped[-1]:
            still.admitted(same, "look")
    assert skipped == [True, True, True, False, True, True, True, False]


@pytest.mark.parametrize(
    ("values", "look"),
    [({}, "another"), ({"feedback": 0.1}, "look"), ({"mode": "text"}, "look")],
)
def test_what_would_come_out_another_is_drawn(values: dict[str, object], look: str) -> None:
    still, same = after(picture()), picture()
    assert still.skips(same, Parameters(skip=10.0), "look")
    assert not still.skips(same, Parameters(skip=10.0, **values), look)


def test_the_first_picture_of_a_source_is_drawn() -> None:
    assert not SimilarFrameFilter(WIDTH, HEIGHT).skips(picture(), Parameters(skip=10.0), None)
    assert not after(None).skips(picture(), Parameters(skip=10.0), "look")
    assert not after(picture()).skips(None, Parameters(skip=10.0), "look")


def test_what_was_admitted_is_a_copy() -> None:
    before = picture()
    still = after(before)
    before += 20
    assert not still.skips(before, Parameters(skip=5.0), "look")


@pytest.mark.parametrize(("width", "height"), [(1, 1), (64, 64), (65, 63), (2048, 32)])
def test_any_size_is_compared(width: int, height: int) -> None:
    still = SimilarFrameFilter(width, height)
    dark = np.zeros((height, width, 3), np.uint8)
    still.admitted(dark, "look")
    assert still._coming.size <= 64 * 64 * 3
    assert still.skips(dark, Parameters(skip=1.0), "look")
    assert not still.skips(dark + 255, Parameters(skip=10.0), "look")
