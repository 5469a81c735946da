"""Scaling for sinks, against OpenCV and Pillow."""

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from io_bridges.card import draw_card
from io_bridges.scaling import MOST_PIXELS, Scaler

CARD = draw_card(7, 256, 192)
NOISE = np.random.default_rng(3).integers(0, 256, (96, 128, 3)).astype(np.uint8)


def worst(one, other):
    return int(np.abs(one.astype(int) - other.astype(int)).max())


def mean(one, other):
    return float(np.abs(one.astype(int) - other.astype(int)).mean())


@pytest.mark.parametrize("picture", [CARD, NOISE])
@pytest.mark.parametrize("size", [(640, 480), (257, 200), (1280, 720), (300, 193)])
def test_enlarged_by_lanczos(picture, size):
    scaled = Scaler().scale(picture, *size)
    oracle = cv2.resize(picture, size, interpolation=cv2.INTER_LANCZOS4)
    linear = cv2.resize(picture, size, interpolation=cv2.INTER_LINEAR)
    assert worst(linear, oracle) > 20, "another filter looks different"
    assert worst(scaled, oracle) <= 1
    # Pillow's filter has six points.
    pillow = np.asarray(Image.fromarray(picture).resize(size, Image.Resampling.LANCZOS))
    assert mean(scaled, pillow) < mean(linear, pillow) / 2


@pytest.mark.parametrize("size", [(128, 96), (64, 48), (100, 75), (255, 191), (31, 17)])
def test_shrunk_by_area(size):
    scaled = Scaler().scale(CARD, *size)
    assert worst(scaled, cv2.resize(CARD, size, interpolation=cv2.INTER_AREA)) <= 1
    if size[0] <= 128:  # Pillow's box takes single pixels near the size of the picture
        pillow = np.asarray(Image.fromarray(CARD).resize(size, Image.Resampling.BOX))
        assert mean(scaled, pillow) < 2


def test_shrunk_one_way_and_enlarged_the_other():
    scaled = Scaler().scale(CARD, 128, 384)
    narrow = cv2.resize(CARD, (128, 192), interpolation=cv2.INTER_AREA)
    assert worst(scaled, cv2.resize(narrow, (128, 384), interpolation=cv2.INTER_LANCZOS4)) <= 1


def test_overshoot_is_clamped():
    """The filter overshoots at an edge. No bright line in the black may come of it, and no dark one in the white."""
    edge = np.zeros((32, 32, 3), np.uint8)
    edge[:, 16:] = 255
    scaled = Scaler().scale(edge, 128, 128)
    assert scaled[64, :52].max() <= 16
    assert scaled[64, 76:].min() >= 239


def test_large_pictures_are_scaled_faster():
    size = (1920, 1080)
    assert size[0] * size[1] > MOST_PIXELS
    assert np.array_equal(Scaler().scale(CARD, *size), cv2.resize(CARD, size, interpolation=cv2.INTER_CUBIC))
    oracle = cv2.resize(CARD, size, interpolation=cv2.INTER_LANCZOS4)
    assert worst(Scaler("lanczos").scale(CARD, *size), oracle) <= 1
    assert np.array_equal(Scaler("linear").scale(CARD, *size), cv2.resize(CARD, size, interpolation=cv2.INTER_LINEAR))
    large = cv2.resize(CARD, (1700, 1000))
    area = cv2.resize(large, (900, 500), interpolation=cv2.INTER_AREA)
    assert worst(Scaler("lanczos").scale(large, 900, 500), area) <= 1
    assert worst(Scaler().scale(large, 900, 500), area) > 1


def test_one_scaler_for_many_sizes():
    """Memory that is kept in between shows in no later picture, and the pictures are not changed later."""
    scaler = Scaler()
    first = scaler.scale(CARD, 640, 480)
    kept = first.copy()
    scaler.scale(NOISE, 640, 480)
    scaler.scale(NOISE, 100, 75)
    assert np.array_equal(first, kept)
    assert np.array_equal(scaler.scale(CARD, 640, 480), kept)
    assert not first.flags.writeable
    assert scaler.scale(CARD, 256, 192).base is CARD or scaler.scale(CARD, 256, 192) is CARD


@settings(deadline=None)
@given(
    side=st.tuples(st.integers(1, 60), st.integers(1, 60)),
    size=st.tuples(st.integers(1, 200), st.integers(1, 200)),
    mode=st.sampled_from(["auto", "lanczos", "linear"]),
    value=st.integers(0, 255),
)
def test_flat_pictures_stay_flat(side, size, mode, value):
    scaled = Scaler(mode).scale(np.full((*side, 3), value, np.uint8), *size)
    assert scaled.shape == (size[1], size[0], 3)
    assert scaled.dtype == np.uint8
    assert worst(scaled, np.full_like(scaled, value)) <= 1
