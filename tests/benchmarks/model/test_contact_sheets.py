"""Layout and file size of contact sheets."""

import cv2
import numpy as np

from benchmarks.model import contact_sheets
from benchmarks.model.contact_sheets import BAND, LARGEST, as_jpeg, grid, labelled, spread, with_inset


def plain(level: int, side: int = 64) -> np.ndarray:
    return np.full((side, side, 3), level, np.uint8)


def test_grid_places_tiles_by_row() -> None:
    sheet = grid([plain(level) for level in (10, 20, 30, 40, 50)], 3)
    assert sheet.shape == (128, 192, 3)
    assert [int(sheet[y, x, 0]) for y, x in ((0, 0), (0, 70), (0, 140), (70, 0), (70, 70), (70, 140))] == [
        10, 20, 30, 40, 50, 0,
    ]  # fmt: skip


def test_label_is_cut_to_the_width() -> None:
    short, long = labelled(plain(99), "ink"), labelled(plain(99), "ink drawing in the colours of a very long name")
    assert short.shape == long.shape == (64 + BAND, 64, 3)
    assert short[:BAND].max() > 200
    assert long[:BAND, -4:].max() < 200
    np.testing.assert_array_equal(long[BAND:], plain(99))


def test_inset_covers_a_sixteenth() -> None:
    picture = with_inset(plain(0), plain(80))
    assert (picture == 80).all(axis=2).sum() == 16 * 16
    assert (picture[:32] == 0).all()


def test_sheet_of_noise_fits() -> None:
    noise = np.random.default_rng(0).integers(0, 256, (1200, 1800, 3)).astype(np.uint8)
    data = as_jpeg(noise)
    assert len(data) <= LARGEST
    assert cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR).shape[0] >= 400


def test_spread_takes_from_all_over() -> None:
    assert spread(list(range(30)), 3) == [0, 10, 20]  # type: ignore[arg-type]
    assert spread([1, 2], 3) == [1, 2]  # type: ignore[arg-type]
    assert contact_sheets.STRENGTHS[0] == 0
    assert contact_sheets.STRENGTHS[-1] == 1
