"""Scale, fade, mix and channel orders, on frames with four different corners."""

import numpy as np
import pytest

from io_bridges.frames import Pixels
from io_bridges.pixels import FORMATS, fade, mix, scale, to_rgb

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


def assert_upright(frame: Pixels) -> None:
    for (y, x), colour in CORNERS.items():
        assert tuple(frame[y, x].tolist()) == colour


def test_scale_averages_down():
    stripes = np.zeros((64, 64, 3), np.uint8)
    stripes[:, ::2] = 200
    assert np.all(np.abs(scale(stripes, 32, 32).astype(int) - 100) <= 1)


@pytest.mark.parametrize("size", [(301, 97), (512, 288), (256, 256), (1279, 719), (1, 1)])
def test_scale_keeps_values_in_place(size):
    ramp = np.zeros((720, 1280, 3), np.uint8)
    ramp[:, :, 0] = np.linspace(0, 255, 1280).round()
    ramp[:, :, 1] = np.linspace(0, 255, 720).round()[:, np.newaxis]
    width, height = size
    scaled = scale(ramp, width, height).astype(int)
    assert scaled.shape == (height, width, 3)
    across = (np.arange(width) + 0.5) / width * 255
    down = (np.arange(height) + 0.5) / height * 255
    # Within half a pixel of the new size, plus rounding.
    assert np.abs(scaled[:, :, 0] - across).max() <= 127.5 / width + 1.5
    assert np.abs(scaled[:, :, 1] - down[:, np.newaxis]).max() <= 127.5 / height + 1.5


def test_fine_detail_is_averaged():
    noise = np.random.default_rng(1).integers(0, 256, (1080, 1080, 3), np.uint8)
    assert scale(noise, 256, 256).std() < noise.std() / 3


def test_scale_keeps_channels():
    assert scale(np.zeros((8, 8, 1), np.uint8), 4, 4).shape == (4, 4, 1)
    assert scale(np.zeros((8, 8, 4), np.uint8), 4, 4).shape == (4, 4, 4)


def test_fade_levels():
    frame = quarters(8, 8)
    assert fade(frame, 0.0).max() == 0
    assert np.array_equal(fade(frame, 1.0), frame)
    assert set(np.unique(fade(frame, 0.5))) == {0, 128}
    assert np.array_equal(fade(frame, 7.0), frame)


def test_fade_and_mix_write_to_out():
    a, b = quarters(8, 8), np.full((8, 8, 3), 100, np.uint8)
    out = np.full((8, 8, 3), 9, np.uint8)
    assert fade(a, 0.25, out) is out
    assert out.max() == 64
    assert fade(a, 1.0, out) is out
    assert np.array_equal(out, a)
    assert mix(a, b, 1.0, out) is out
    assert np.array_equal(out, b)


def test_mix_weights():
    a, b = np.full((4, 4, 3), 200, np.uint8), np.full((4, 4, 3), 100, np.uint8)
    assert np.all(mix(a, b, 0.25) == 175)
    assert np.array_equal(mix(a, b, -3.0), a)


def test_unsuitable_out_is_refused():
    frame = quarters(8, 8)
    with pytest.raises(ValueError, match="out must be"):
        fade(frame, 0.5, np.zeros((4, 4, 3), np.uint8))
    with pytest.raises(ValueError, match="out must be"):
        mix(frame, frame, 0.5, quarters(8, 8))
    with pytest.raises(ValueError, match="one shape"):
        mix(frame, quarters(4, 4), 0.5)


def as_sent(frame: Pixels, layout: str, origin: str) -> Pixels:
    """Return the pixels in the layout of a sender, made without OpenCV."""
    alpha = np.full((*frame.shape[:2], 1), 99, np.uint8)
    sent = {
        "rgb": frame,
        "rgba": np.dstack([frame, alpha]),
        "bgr": frame[:, :, ::-1],
        "bgra": np.dstack([frame[:, :, ::-1], alpha]),
        "gray": frame[:, :, :1],
    }[layout]
    return np.ascontiguousarray(sent if origin == "top-left" else sent[::-1])


@pytest.mark.parametrize("origin", ["top-left", "bottom-left"])
@pytest.mark.parametrize("layout", FORMATS)
def test_every_layout_becomes_rgb(layout, origin):
    frame = quarters(10, 14)
    sent = as_sent(frame, layout, origin)
    rgb = to_rgb(sent, layout, origin)
    expected = frame if layout != "gray" else np.repeat(frame[:, :, :1], 3, axis=2)
    assert np.array_equal(rgb, expected)
    assert rgb.flags.c_contiguous
    assert not rgb.flags.writeable
