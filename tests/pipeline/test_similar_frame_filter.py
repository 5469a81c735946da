"""The filter skips frames that differ little from the last admitted one, and never when another setting changed."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from pipeline.similar_frame_filter import SimilarFrameFilter
from presets.parameters import Parameters

WIDTH, HEIGHT = 200, 72


def image(seed: int = 0) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(20, 235, (HEIGHT, WIDTH, 3), dtype=np.uint8)


def filter_after(admitted: NDArray[np.uint8] | None, settings: object = "settings") -> SimilarFrameFilter:
    frame_filter = SimilarFrameFilter(WIDTH, HEIGHT)
    frame_filter.record_admitted(admitted, settings)
    return frame_filter


def test_threshold_is_mean_difference() -> None:
    before = image()
    coming = before + 5  # 5 of 255 grey levels are 1.96 %
    assert filter_after(before).should_skip(coming, Parameters(skip=2.0), "settings")
    assert not filter_after(before).should_skip(coming, Parameters(skip=1.9), "settings")
    assert filter_after(before).should_skip(before, Parameters(skip=0.001), "settings")
    assert not filter_after(before).should_skip(before, Parameters(skip=0.0), "settings"), "off"


@given(st.integers(0, 2**31), st.floats(1.0, 8.0))
def test_samples_represent_all_pixels(seed: int, amount: float) -> None:
    before = image(seed)
    noise = np.random.default_rng(seed + 1).normal(0, amount, before.shape)
    coming = (before + noise).round().clip(0, 255).astype(np.uint8)
    percent = np.abs(coming.astype(float) - before).mean() * 100 / 255
    assert filter_after(before).should_skip(coming, Parameters(skip=percent * 1.1), "settings")
    assert not filter_after(before).should_skip(coming, Parameters(skip=percent * 0.9), "settings")


def test_slow_drift_adds_up() -> None:
    frame_filter, before = filter_after(image()), image()
    drawn = []
    for step in range(1, 13):  # 0.39 % a frame
        coming = before + step
        if not frame_filter.should_skip(coming, Parameters(skip=1.5), "settings"):
            drawn.append(step)
            frame_filter.record_admitted(coming, "settings")
    assert drawn == [4, 8, 12]


def test_longest_run_of_skips() -> None:
    frame_filter, same = filter_after(image()), image()
    parameters = Parameters(skip=1.0, skip_longest=3)
    skipped = []
    for _ in range(8):
        skipped.append(frame_filter.should_skip(same, parameters, "settings"))
        if not skipped[-1]:
            frame_filter.record_admitted(same, "settings")
    assert skipped == [True, True, True, False, True, True, True, False]


@pytest.mark.parametrize(
    ("values", "settings"),
    [({}, "another"), ({"feedback": 0.1}, "settings"), ({"mode": "text"}, "settings")],
)
def test_other_settings_are_not_skipped(values: dict[str, object], settings: str) -> None:
    frame_filter, same = filter_after(image()), image()
    assert frame_filter.should_skip(same, Parameters(skip=10.0), "settings")
    assert not frame_filter.should_skip(same, Parameters(skip=10.0, **values), settings)


def test_first_frame_is_not_skipped() -> None:
    assert not SimilarFrameFilter(WIDTH, HEIGHT).should_skip(image(), Parameters(skip=10.0), None)
    assert not filter_after(None).should_skip(image(), Parameters(skip=10.0), "settings")
    assert not filter_after(image()).should_skip(None, Parameters(skip=10.0), "settings")


def test_admitted_frame_is_copied() -> None:
    before = image()
    frame_filter = filter_after(before)
    before += 20
    assert not frame_filter.should_skip(before, Parameters(skip=5.0), "settings")


@pytest.mark.parametrize(("width", "height"), [(1, 1), (64, 64), (65, 63), (2048, 32)])
def test_any_size(width: int, height: int) -> None:
    frame_filter = SimilarFrameFilter(width, height)
    dark = np.zeros((height, width, 3), np.uint8)
    frame_filter.record_admitted(dark, "settings")
    assert frame_filter._current.size <= 64 * 64 * 3
    assert frame_filter.should_skip(dark, Parameters(skip=1.0), "settings")
    assert not frame_filter.should_skip(dark + 255, Parameters(skip=10.0), "settings")
