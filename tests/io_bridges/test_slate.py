"""The slate: never black, readable at every size, and the user's own picture in its place."""

import numpy as np
import pytest

from io_bridges.image_files import write_still
from io_bridges.slate import draw_slate, load_slate
from presets.errors import BridgeError


@pytest.mark.parametrize(("width", "height"), [(256, 256), (640, 480), (512, 1024), (1920, 1080), (33, 17)])
def test_it_is_never_black_and_says_something(width, height):
    slate = draw_slate(width, height, ["loading the model"], 0.5)
    assert slate.shape == (height, width, 3)
    assert slate.max(axis=2).min() >= 20
    if min(width, height) >= 256:
        assert (slate.min(axis=2) > 200).mean() > 0.005  # the name, in white


def test_what_it_says_changes_the_picture_and_the_same_words_give_the_same():
    plain = draw_slate(256, 256)
    said = draw_slate(256, 256, ["loading the model"])
    assert not np.array_equal(plain, said)
    assert np.array_equal(said, draw_slate(256, 256, ["loading the model"]))


def bar(slate):
    """Length of the filled part, in pixels."""
    row = slate[round(256 * 0.88) + 1].astype(int)
    return int((np.abs(row - (255, 138, 92)).sum(axis=1) < 10).sum())


def test_the_bar_grows_with_progress_and_stays_in_its_place():
    lengths = [bar(draw_slate(256, 256, [], progress)) for progress in (0.0, 0.25, 0.5, 1.0)]
    assert lengths[0] == 0
    assert lengths[1] < lengths[2] < lengths[3] < 256
    assert bar(draw_slate(256, 256, [], 9.0)) == lengths[3]
    assert bar(draw_slate(256, 256, [], float("nan"))) == 0
    assert bar(draw_slate(256, 256, [], None)) == 0


def test_a_long_line_or_foreign_letters_stay_inside_the_margin():
    slate = draw_slate(256, 256, ["Größe " * 60, "\u8aad\u307f\u8fbc\u307f\x00"]).astype(int)
    background = draw_slate(256, 256).astype(int)
    assert np.array_equal(slate[:, 244:], background[:, 244:])


def test_the_users_own_picture_fills_the_size(tmp_path):
    picture = np.zeros((100, 300, 3), np.uint8)
    picture[:, 100:200] = (200, 100, 50)
    write_still(tmp_path / "mine.png", picture)
    slate = load_slate(tmp_path / "mine.png", 64, 64)
    assert slate.shape == (64, 64, 3)
    assert tuple(slate[32, 32].tolist()) == (200, 100, 50)
    with pytest.raises(BridgeError, match=r"none\.png"):
        load_slate(tmp_path / "none.png", 64, 64)
    with pytest.raises(BridgeError, match="no file"):
        load_slate(tmp_path, 64, 64)
