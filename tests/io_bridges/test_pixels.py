"""Fit, scale, fade, mix and channel orders, on pictures whose every corner differs."""

import numpy as np
import pytest

from io_bridges.frames import Pixels
from io_bridges.pixels import FORMATS, HOWS, fade, fit, mix, scale, to_rgb

CORNERS = {(0, 0): (255, 0, 0), (0, -1): (0, 255, 0), (-1, 0): (0, 0, 255), (-1, -1): (255, 255, 0)}


def quarters(height: int, width: int) -> Pixels:
    picture = np.zeros((height, width, 3), np.uint8)
    half_h, half_w = height // 2, width // 2
    picture[:half_h, :half_w] = CORNERS[0, 0]
    picture[:half_h, half_w:] = CORNERS[0, -1]
    picture[half_h:, :half_w] = CORNERS[-1, 0]
    picture[half_h:, half_w:] = CORNERS[-1, -1]
    picture.flags.writeable = False
    return picture


def assert_upright(picture: Pixels) -> None:
    for (y, x), colour in CORNERS.items():
        assert tuple(picture[y, x].tolist()) == colour


@pytest.mark.parametrize("how", ["cover", "stretch"])
@pytest.mark.parametrize("size", [(64, 48), (48, 64), (64, 64), (200, 30), (31, 17)])
def test_fit_keeps_the_picture_upright_and_fills_the_size(how, size):
    fitted = fit(quarters(90, 120), *size, how=how)
    assert fitted.shape == (size[1], size[0], 3)
    assert fitted.flags.c_contiguous
    assert not fitted.flags.writeable
    assert_upright(fitted)


def test_cover_crops_the_middle_and_keeps_the_aspect_ratio():
    picture = np.zeros((100, 300, 3), np.uint8)
    picture[:, 100:200] = 255  # only the middle third is white, and it is square
    assert fit(picture, 50, 50).min() > 200
    assert fit(picture, 50, 50, how="stretch").min() == 0


def test_contain_shows_all_between_black_bars():
    fitted = fit(quarters(100, 200), 100, 100, how="contain")
    assert_upright(fitted[25:75])
    assert fitted[:24].max() == 0
    assert fitted[76:].max() == 0


@pytest.mark.parametrize("how", HOWS)
def test_a_picture_of_the_right_size_is_not_copied(how):
    picture = quarters(48, 64)
    assert np.shares_memory(fit(picture, 64, 48, how=how), picture)


def test_fit_leaves_alpha_behind_and_the_input_writable():
    picture = np.dstack([quarters(48, 64), np.full((48, 64), 7, np.uint8)])
    fitted = fit(picture, 32, 24)
    assert fitted.shape == (24, 32, 3)
    assert_upright(fitted)
    assert picture.flags.writeable


def test_fit_crops_before_it_scales_down_to_a_thin_picture():
    assert fit(quarters(2, 8000), 16, 16).shape == (16, 16, 3)


def test_scale_averages_when_it_shrinks():
    stripes = np.zeros((64, 64, 3), np.uint8)
    stripes[:, ::2] = 200
    assert np.all(np.abs(scale(stripes, 32, 32).astype(int) - 100) <= 1)


@pytest.mark.parametrize("size", [(301, 97), (512, 288), (256, 256), (1279, 719), (1, 1)])
def test_scale_keeps_the_brightness_and_every_thing_in_its_place(size):
    ramp = np.zeros((720, 1280, 3), np.uint8)
    ramp[:, :, 0] = np.linspace(0, 255, 1280).round()
    ramp[:, :, 1] = np.linspace(0, 255, 720).round()[:, np.newaxis]
    width, height = size
    scaled = scale(ramp, width, height).astype(int)
    assert scaled.shape == (height, width, 3)
    across = (np.arange(width) + 0.5) / width * 255
    down = (np.arange(height) + 0.5) / height * 255
    # Within half a pixel of the new size, and rounding.
    assert np.abs(scaled[:, :, 0] - across).max() <= 127.5 / width + 1.5
    assert np.abs(scaled[:, :, 1] - down[:, np.newaxis]).max() <= 127.5 / height + 1.5


def test_fine_detail_is_averaged_not_picked():
    noise = np.random.default_rng(1).integers(0, 256, (1080, 1080, 3), np.uint8)
    assert scale(noise, 256, 256).std() < noise.std() / 3


def test_scale_keeps_the_channels():
    assert scale(np.zeros((8, 8, 1), np.uint8), 4, 4).shape == (4, 4, 1)
    assert scale(np.zeros((8, 8, 4), np.uint8), 4, 4).shape == (4, 4, 4)


def test_fade_goes_from_black_to_the_picture_itself():
    picture = quarters(8, 8)
    assert fade(picture, 0.0).max() == 0
    assert np.array_equal(fade(picture, 1.0), picture)
    assert set(np.unique(fade(picture, 0.5))) == {0, 128}
    assert np.array_equal(fade(picture, 7.0), picture)


def test_fade_and_mix_write_into_the_array_they_are_given():
    a, b = quarters(8, 8), np.full((8, 8, 3), 100, np.uint8)
    out = np.full((8, 8, 3), 9, np.uint8)
    assert fade(a, 0.25, out) is out
    assert out.max() == 64
    assert fade(a, 1.0, out) is out
    assert np.array_equal(out, a)
    assert mix(a, b, 1.0, out) is out
    assert np.array_equal(out, b)


def test_mix_weighs_its_pictures():
    a, b = np.full((4, 4, 3), 200, np.uint8), np.full((4, 4, 3), 100, np.uint8)
    assert np.all(mix(a, b, 0.25) == 175)
    assert np.array_equal(mix(a, b, -3.0), a)


def test_an_out_that_would_not_be_written_is_refused():
    picture = quarters(8, 8)
    with pytest.raises(ValueError, match="out must be"):
        fade(picture, 0.5, np.zeros((4, 4, 3), np.uint8))
    with pytest.raises(ValueError, match="out must be"):
        mix(picture, picture, 0.5, quarters(8, 8))
    with pytest.raises(ValueError, match="one shape"):
        mix(picture, quarters(4, 4), 0.5)


def as_sent(picture: Pixels, layout: str, origin: str) -> Pixels:
    """What a sender of that layout would hand over, made without OpenCV."""
    alpha = np.full((*picture.shape[:2], 1), 99, np.uint8)
    sent = {
        "rgb": picture,
        "rgba": np.dstack([picture, alpha]),
        "bgr": picture[:, :, ::-1],
        "bgra": np.dstack([picture[:, :, ::-1], alpha]),
        "gray": picture[:, :, :1],
    }[layout]
    return np.ascontiguousarray(sent if origin == "top-left" else sent[::-1])


@pytest.mark.parametrize("origin", ["top-left", "bottom-left"])
@pytest.mark.parametrize("layout", FORMATS)
def test_every_layout_comes_out_upright_in_rgb(layout, origin):
    picture = quarters(10, 14)
    sent = as_sent(picture, layout, origin)
    rgb = to_rgb(sent, layout, origin)
    expected = picture if layout != "gray" else np.repeat(picture[:, :, :1], 3, axis=2)
    assert np.array_equal(rgb, expected)
    assert rgb.flags.c_contiguous
    assert not rgb.flags.writeable
