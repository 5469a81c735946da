"""Framing of a source: fill, fit, stretch, zoom, pan and mirror, on frames with four different corners."""

from typing import get_args

import numpy as np
import pytest

from io_bridges.frames import Pixels
from io_bridges.framing import FILL, FitMode, Framing, fit, framing_of
from presets.parameters import Parameters

CORNERS = {(0, 0): (255, 0, 0), (0, -1): (0, 255, 0), (-1, 0): (0, 0, 255), (-1, -1): (255, 255, 0)}


def quarters(height: int, width: int) -> Pixels:
    frame = np.zeros((height, width, 3), np.uint8)
    half_h, half_w = height // 2, width // 2
    frame[:half_h, :half_w] = CORNERS[0, 0]
    frame[:half_h, half_w:] = CORNERS[0, -1]
    frame[half_h:, :half_w] = CORNERS[-1, 0]
    frame[half_h:, half_w:] = CORNERS[-1, -1]
    frame.flags.writeable = False
    return frame


def ramp(height: int, width: int) -> Pixels:
    """Return a frame whose red is the column and whose green is the row, each over its whole range."""
    frame = np.zeros((height, width, 3), np.uint8)
    frame[:, :, 0] = np.linspace(0, 255, width).round()
    frame[:, :, 1] = np.linspace(0, 255, height).round()[:, np.newaxis]
    return frame


def shown(frame: Pixels) -> tuple[int, int, int, int]:
    """Return the part of a ramp that a frame shows: left, right, top, bottom, in percent."""
    corners = frame[0, 0, 0], frame[0, -1, 0], frame[0, 0, 1], frame[-1, 0, 1]
    left, right, top, bottom = (round(int(each) / 2.55) for each in corners)
    return left, right, top, bottom


def assert_upright(frame: Pixels) -> None:
    for (y, x), colour in CORNERS.items():
        assert tuple(frame[y, x].tolist()) == colour


@pytest.mark.parametrize("mode", ["fill", "stretch"])
@pytest.mark.parametrize("size", [(64, 48), (48, 64), (64, 64), (200, 30), (31, 17)])
def test_fit_is_upright_and_fills_size(mode: FitMode, size: tuple[int, int]) -> None:
    fitted = fit(quarters(90, 120), *size, Framing(mode))
    assert fitted.shape == (size[1], size[0], 3)
    assert fitted.flags.c_contiguous
    assert not fitted.flags.writeable
    assert_upright(fitted)


def test_fill_crops_to_the_middle() -> None:
    frame = np.zeros((100, 300, 3), np.uint8)
    frame[:, 100:200] = 255  # Only the square middle third is white.
    assert fit(frame, 50, 50).min() > 200
    assert fit(frame, 50, 50, Framing("stretch")).min() == 0


def test_fit_adds_black_bars() -> None:
    fitted = fit(quarters(100, 200), 100, 100, Framing("fit"))
    assert_upright(fitted[25:75])
    assert fitted[:24].max() == 0
    assert fitted[76:].max() == 0
    assert not fitted.flags.writeable


@pytest.mark.parametrize("mode", get_args(FitMode))
def test_right_size_is_not_copied(mode: FitMode) -> None:
    frame = quarters(48, 64)
    assert np.shares_memory(fit(frame, 64, 48, Framing(mode)), frame)


@pytest.mark.parametrize("framing", [FILL, Framing(zoom=2.5), Framing(flip_x=True)])
def test_fit_drops_alpha(framing: Framing) -> None:
    frame = np.dstack([quarters(48, 64), np.full((48, 64), 7, np.uint8)])
    fitted = fit(frame, 32, 24, framing)
    assert fitted.shape == (24, 32, 3)
    assert_upright(fitted[:, ::-1] if framing.flip_x else fitted)
    assert frame.flags.writeable


def test_gray_becomes_rgb() -> None:
    for framing in (FILL, Framing("fit"), Framing(zoom=3.0), Framing(flip_y=True)):
        assert fit(np.full((20, 40, 1), 9, np.uint8), 16, 16, framing).shape == (16, 16, 3)


@pytest.mark.parametrize("mode", get_args(FitMode))
@pytest.mark.parametrize("zoom", [1.0, 1.01, 10.0])
def test_fit_of_a_thin_frame(mode: FitMode, zoom: float) -> None:
    for height, width in ((2, 8000), (8000, 2), (1, 1)):
        for pan in (-1.0, 0.3, 1.0):
            assert fit(quarters(height, width), 16, 16, Framing(mode, zoom, pan, pan)).shape == (16, 16, 3)


@pytest.mark.parametrize("side", [64, 1000])
def test_zoom_shows_a_part(side: int) -> None:
    """The source is once smaller and once larger than the drawn picture."""
    frame = ramp(side, side)

    def part(**framing: float) -> tuple[int, int, int, int]:
        return shown(fit(frame, 128, 128, Framing(zoom=2.0, **framing)))

    assert part() == pytest.approx((25, 75, 25, 75), abs=1)
    assert part(pan_x=-1.0) == pytest.approx((0, 50, 25, 75), abs=1)
    assert part(pan_x=1.0) == pytest.approx((50, 100, 25, 75), abs=1)
    assert part(pan_y=1.0) == pytest.approx((25, 75, 0, 50), abs=1), "1 is the top"
    assert part(pan_y=-1.0) == pytest.approx((25, 75, 50, 100), abs=1)


def test_pan_moves_what_fill_crops() -> None:
    wide = ramp(100, 200)
    assert shown(fit(wide, 50, 50)) == pytest.approx((25, 75, 0, 100), abs=1)
    assert shown(fit(wide, 50, 50, Framing(pan_x=1.0, pan_y=1.0))) == pytest.approx((50, 100, 0, 100), abs=1)
    assert shown(fit(wide, 50, 50, Framing("stretch", pan_x=1.0))) == pytest.approx((0, 100, 0, 100), abs=1)


def test_zoom_grows_into_the_bars() -> None:
    fitted = fit(np.full((100, 200, 3), 200, np.uint8), 100, 100, Framing("fit", zoom=1.5))
    assert fitted[:12].max() == 0
    assert fitted[14:86].min() == 200
    assert fit(np.full((100, 200, 3), 200, np.uint8), 100, 100, Framing("fit", zoom=2.0)).min() == 200


def test_mirror() -> None:
    frame = quarters(48, 64)
    assert_upright(fit(frame, 32, 24, Framing(flip_x=True))[:, ::-1])
    assert_upright(fit(frame, 32, 24, Framing(flip_y=True))[::-1])
    assert_upright(fit(frame, 32, 24, Framing(flip_x=True, flip_y=True))[::-1, ::-1])
    right = fit(ramp(100, 200), 50, 50, Framing(pan_x=1.0, flip_x=True))
    assert shown(right) == pytest.approx((50, 0, 0, 100), abs=1), "the right of what is seen"


def test_slow_zoom_does_not_jerk() -> None:
    frame = ramp(64, 64)
    edges = [int(fit(frame, 256, 256, Framing(zoom=1.5 + step / 100))[128, 0, 0]) for step in range(20)]
    steps = np.diff(edges)
    assert steps.min() >= 0
    assert steps.max() <= 2, "less than a pixel of the source, which is four levels"


def test_controls_reach_the_framing() -> None:
    parameters = Parameters(fit="stretch", zoom=3.0, pan_x=0.5, pan_y=-0.5, flip_x=True, flip_y=True)
    assert framing_of(parameters) == Framing("stretch", 3.0, 0.5, -0.5, True, True)
    assert framing_of(Parameters()) == FILL
