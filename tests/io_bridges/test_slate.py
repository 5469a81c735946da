"""The slate: never black, readable at every size, and replaced by the user's own image."""

import numpy as np
import pytest

from io_bridges.image_files import write_still
from io_bridges.slate import draw_slate, load_slate
from presets.errors import BridgeError


@pytest.mark.parametrize(("width", "height"), [(256, 256), (640, 480), (512, 1024), (1920, 1080), (33, 17)])
def test_slate_is_never_black(width, height):
    slate = draw_slate(width, height, ["loading the model"], 0.5)
    assert slate.shape == (height, width, 3)
    assert slate.max(axis=2).min() >= 20
    if min(width, height) >= 256:
        assert (slate.min(axis=2) > 200).mean() > 0.005  # The name, in white.


def test_text_changes_the_slate():
    plain = draw_slate(256, 256)
    with_text = draw_slate(256, 256, ["loading the model"])
    assert not np.array_equal(plain, with_text)
    assert np.array_equal(with_text, draw_slate(256, 256, ["loading the model"]))


def bar(slate):
    """Return the length of the filled part in pixels."""
    row = slate[round(256 * 0.88) + 1].astype(int)
    return int((np.abs(row - (255, 138, 92)).sum(axis=1) < 10).sum())


def test_progress_bar_grows():
    lengths = [bar(draw_slate(256, 256, [], progress)) for progress in (0.0, 0.25, 0.5, 1.0)]
    assert lengths[0] == 0
    assert lengths[1] < lengths[2] < lengths[3] < 256
    assert bar(draw_slate(256, 256, [], 9.0)) == lengths[3]
    assert bar(draw_slate(256, 256, [], float("nan"))) == 0
    assert bar(draw_slate(256, 256, [], None)) == 0


def test_long_text_stays_in_margin():
    slate = draw_slate(256, 256, ["Größe " * 60, "\u8aad\u307f\u8fbc\u307f\x00"]).astype(int)
    background = draw_slate(256, 256).astype(int)
    assert np.array_equal(slate[:, 244:], background[:, 244:])


def test_own_image_fills_the_size(tmp_path):
    image = np.zeros((100, 300, 3), np.uint8)
    image[:, 100:200] = (200, 100, 50)
    write_still(tmp_path / "mine.png", image)
    slate = load_slate(tmp_path / "mine.png", 64, 64)
    assert slate.shape == (64, 64, 3)
    assert tuple(slate[32, 32].tolist()) == (200, 100, 50)
    with pytest.raises(BridgeError, match=r"none\.png"):
        load_slate(tmp_path / "none.png", 64, 64)
    with pytest.raises(BridgeError, match="not a file"):
        load_slate(tmp_path, 64, 64)
