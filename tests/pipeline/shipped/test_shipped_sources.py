"""Source pictures come from packages, are named with their licence, and never include the held-out ones."""

import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from typer.testing import CliRunner

from pipeline.shipped import source_pictures, style_sheet
from pipeline.shipped.crops import random_crop
from pipeline.shipped.scenes import Image
from pipeline.shipped.style_sheet import Subject, draw_sheet


@pytest.fixture(scope="module")
def photographs() -> list[Image]:
    return source_pictures.photographs()


def test_photographs_are_rgb_of_moderate_size(photographs: list[Image]) -> None:
    assert len(photographs) >= 15
    for picture in photographs:
        assert picture.dtype == np.uint8
        assert picture.shape[2] == 3
        assert 100 <= min(picture.shape[:2]) <= 512
    assert photographs[0].mean(axis=(0, 1)).argmax() == 0, "astronaut is orange: channels are RGB"


def test_held_out_pictures_are_not_trained_on() -> None:
    names = " ".join(names for _, names in source_pictures._PHOTOGRAPHS.values())
    assert "chelsea" not in names
    assert "rocket" not in names


def test_every_picture_is_in_the_table_of_licences() -> None:
    table = str(source_pictures.__doc__)
    names = " ".join(names for _, names in source_pictures._PHOTOGRAPHS.values()).split()
    names += [name.split("_by_")[0] for name in source_pictures._DEBIAN_PHOTOGRAPHS.split()]
    for name in names:
        assert name.split(".")[0] in table, name


def test_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sklearn", None)
    with pytest.raises(source_pictures.PicturesMissing, match=r"scikit-learn.*streamflow-live\[train\]"):
        source_pictures.photographs()


def test_clip_art_is_laid_on_a_background(tmp_path: Path) -> None:
    folder = tmp_path / "usr/share/openclipart/png/people"
    folder.mkdir(parents=True)
    drawing = np.zeros((128, 128, 4), np.uint8)
    cv2.circle(drawing, (64, 64), 60, (0, 0, 255, 255), -1)
    cv2.imwrite(str(folder / "disc.png"), drawing)
    cv2.imwrite(str(folder / "opaque.png"), drawing[..., :3])
    (picture,) = source_pictures.clip_art(tmp_path, np.random.default_rng(0))
    assert picture.shape == (384, 384, 3)
    red = (picture[..., 0] > 240) & (picture[..., 1] < 15) & (picture[..., 2] < 15)
    assert 0.3 < red.mean() < 0.75
    assert source_pictures.debian_photographs(tmp_path) == []


def test_crops_vary_and_repeat_by_seed(photographs: list[Image]) -> None:
    crops = [random_crop(photographs, np.random.default_rng(seed), 64) for seed in range(40)]
    assert all(crop.shape == (64, 64, 3) and crop.dtype == np.uint8 for crop in crops)
    assert np.array_equal(crops[7], random_crop(photographs, np.random.default_rng(7), 64))
    brightness = [crop.mean() for crop in crops]
    assert min(brightness) < 40
    assert max(brightness) > 150


def test_sheets_have_a_place_for_each_recipe() -> None:
    pictures = source_pictures.held_out_pictures(64)
    assert len(pictures) == 5
    sheet = draw_sheet(Subject.STYLES, pictures)
    assert sheet.shape[0] % 82 == 0
    assert sheet.shape[0] * sheet.shape[1] >= 35 * 82 * 5 * 64
    for subject in Subject:
        assert draw_sheet(subject, pictures[:2], "ice").std() > 20


def test_sheet_command_writes_a_picture(tmp_path: Path) -> None:
    app = style_sheet.typer.Typer()
    app.command()(style_sheet.main)
    runner = CliRunner()
    result = runner.invoke(app, [str(tmp_path / "sheet.png"), "--subject", "palettes", "--size", "64"])
    assert result.exit_code == 0
    assert cv2.imread(str(tmp_path / "sheet.png")).std() > 20
    refused = runner.invoke(app, [str(tmp_path / "sheet.png"), "--palette", "beige"])
    assert refused.exit_code == 2
    assert "beige" in refused.output
