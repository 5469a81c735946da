"""Pictures between two others: what moves stands between its two places, and nothing else changes."""

import numpy as np
import pytest

from io_bridges.between import PicturePair, optical_flow
from io_bridges.frames import Pixels

SIDE = 192


def moved(right: float, down: float) -> Pixels:
    """Return a soft pattern without repetition, moved by this many pixels."""
    y, x = np.mgrid[:SIDE, :SIDE].astype(np.float32)
    x, y = x - right, y - down
    red = 127 + 70 * np.sin(x / 9) + 50 * np.sin(y / 13)
    green = 127 + 60 * np.sin((x + y) / 17 + np.sin(x / 31)) + 60 * np.cos(y / 7)
    return np.stack([red, green, red / 2 + green / 2], -1).clip(0, 255).astype(np.uint8)


def inner(picture: Pixels) -> Pixels:
    return picture[24:-24, 24:-24]


def error(picture: Pixels, wanted: Pixels) -> float:
    return float(np.abs(inner(picture).astype(int) - inner(wanted)).mean())


def test_flow_is_the_motion() -> None:
    flow = optical_flow(moved(0, 0), moved(6, -4))
    assert flow.shape == (SIDE, SIDE, 2)
    assert np.allclose(np.median(inner(flow), axis=(0, 1)), [6, -4], atol=0.5)


@pytest.mark.parametrize("share", [0.25, 0.5, 0.75])
def test_flow_moves_what_moves(share: float) -> None:
    earlier, later, wanted = moved(0, 0), moved(8, 4), moved(8 * share, 4 * share)
    by_flow = error(PicturePair(earlier, later, "flow").at(share), wanted)
    assert by_flow < 0.3 * error(PicturePair(earlier, later, "blend").at(share), wanted)


def test_blend_is_a_cross_fade() -> None:
    earlier, later = np.full((20, 30, 3), 40, np.uint8), np.full((20, 30, 3), 200, np.uint8)
    assert (PicturePair(earlier, later, "blend").at(0.25) == 80).all()


@pytest.mark.parametrize("mode", ["blend", "flow"])
def test_ends_are_the_pictures(mode: str) -> None:
    pair = PicturePair(moved(0, 0), moved(8, 4), mode)  # type: ignore[arg-type]
    assert np.array_equal(pair.at(0), moved(0, 0))
    assert np.array_equal(pair.at(1), moved(8, 4))


def test_still_picture_stays() -> None:
    picture = moved(0, 0)
    assert np.abs(PicturePair(picture, picture, "flow").at(0.5).astype(int) - picture).max() <= 1


@pytest.mark.parametrize("shape", [(1, 1, 3), (16, 700, 3), (128, 1024, 3), (700, 16, 3), (3, 2, 3)])
def test_odd_sizes(shape: tuple[int, int, int]) -> None:
    rng = np.random.default_rng(0)
    earlier, later = (rng.integers(0, 256, shape, dtype=np.uint8) for _ in range(2))
    assert PicturePair(earlier, later, "flow").at(0.5).shape == shape


def test_two_sizes_are_refused() -> None:
    with pytest.raises(ValueError, match="one size"):
        PicturePair(moved(0, 0), moved(0, 0)[:20], "blend")
