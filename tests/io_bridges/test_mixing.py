"""Mixing of two pictures against the same arithmetic in float64: every mode, with and without alpha."""

import math
from collections.abc import Callable
from typing import get_args

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from io_bridges.frames import Pixels
from io_bridges.framing import Framing, fit
from io_bridges.mixing import HARDEST_EDGE, Mixing, MixMode, PictureMixer, key_matrix, mixing_of
from presets.parameters import Parameters

Plane = NDArray[np.float64]

ROUNDING = 2.0
"""Levels by which a few roundings to uint8 in a row may differ from float64."""

HEIGHT, WIDTH = 9, 13

MODES: tuple[MixMode, ...] = get_args(MixMode)

BLENDS: dict[str, Callable[[Plane, Plane], Plane]] = {
    "fade": lambda a, b: b,
    "multiply": lambda a, b: a * b,
    "screen": lambda a, b: 1 - (1 - a) * (1 - b),
    "difference": lambda a, b: abs(a - b),
}


def exact(first: Pixels, second: Pixels, mixing: Mixing) -> Plane:
    """Return the mix in float64, from 0 to 255. The colours of `second` are multiplied by its alpha."""
    a, top = first / 255, second[:, :, :3] / 255
    alpha: Plane = second[:, :, 3:] / 255 if second.shape[2] == 4 else np.ones((*second.shape[:2], 1))
    amount = mixing.amount
    if mixing.mode == "add":
        mixed = a + amount * top
    elif mixing.mode == "mask":
        mixed = a * (1 - amount * (1 - brightness(top)))
    elif mixing.mode in ("luma_key", "chroma_key"):
        kept = cover(top, mixing)
        mixed = a * (1 - amount * kept * alpha) + amount * kept * top
    else:
        straight = np.divide(top, alpha, out=np.zeros_like(top), where=alpha > 0)
        mixed = a + amount * alpha * (BLENDS[mixing.mode](a, straight) - a)
    return 255 * mixed.clip(0, 1)


def brightness(picture: Plane) -> Plane:
    return (picture @ [0.299, 0.587, 0.114])[:, :, np.newaxis]


def cover(top: Plane, mixing: Mixing) -> Plane:
    """Return the share of the second picture that a key leaves."""
    measure = brightness(top) if mixing.mode == "luma_key" else hue_amount(top, mixing.key_hue)
    above = ((measure - mixing.key_threshold) / max(mixing.key_softness, HARDEST_EDGE)).clip(0, 1)
    return above if mixing.mode == "luma_key" else 1 - above


def hue_amount(picture: Plane, hue: float) -> Plane:
    """Return the amount of a hue by its geometry: chroma along the hue, less the chroma across it."""
    red, green, blue = np.moveaxis(picture, 2, 0)
    x, y = red - (green + blue) / 2, math.sqrt(0.75) * (green - blue)
    cos, sin = math.cos(math.tau * hue), math.sin(math.tau * hue)
    along, across = x * cos + y * sin, y * cos - x * sin
    sixth = math.tau / 6
    pure = math.cos(sixth / 2) / math.cos(math.tau * hue % sixth - sixth / 2)
    amount: Plane = ((along - abs(across) / math.sqrt(3)) / pure).clip(0, 1)[:, :, np.newaxis]
    return amount


def picture(seed: int, channels: int) -> Pixels:
    """Return noise with flat patches; RGBA has its colours multiplied by alpha."""
    rng = np.random.default_rng(seed)
    pixels = rng.integers(0, 256, (HEIGHT, WIDTH, channels), np.uint8)
    pixels[:3] = rng.choice([0, 255], (3, WIDTH, channels))
    if channels == 4:
        pixels[:, :, :3] = np.rint(pixels[:, :, :3] * (pixels[:, :, 3:] / 255))
    return pixels


shares = st.one_of(st.sampled_from([0.0, 0.5, 1.0]), st.floats(0, 1))


@settings(deadline=None, max_examples=150)
@given(
    mode=st.sampled_from(MODES),
    amount=shares,
    hue=shares,
    threshold=shares,
    softness=st.floats(0.25, 1),
    channels=st.sampled_from([3, 4]),
    seed=st.integers(0, 2**32),
)
def test_mix_is_that_of_float64(
    mode: MixMode, amount: float, hue: float, threshold: float, softness: float, channels: int, seed: int
) -> None:
    mixing = Mixing(mode, amount, hue, threshold, softness)
    first, second = picture(seed, 3), picture(seed + 1, channels)
    mixed = PictureMixer(WIDTH, HEIGHT).mix(first, second, mixing)
    wrong = abs(mixed - exact(first, second, mixing))
    # A key measures in whole levels, and its edge multiplies what is lost by it.
    edge = 1.5 / softness * amount if mode in ("luma_key", "chroma_key") else 0.0
    assert wrong.max() <= ROUNDING + edge


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("channels", [3, 4])
def test_arguments_stay_as_they_are(mode: MixMode, channels: int) -> None:
    mixer = PictureMixer(WIDTH, HEIGHT)
    first, second = picture(1, 3), picture(2, channels)
    before = first.copy(), second.copy()
    mixed = mixer.mix(first, second, Mixing(mode, 0.7))
    kept = mixed.copy()
    assert mixed.shape == (HEIGHT, WIDTH, 3)
    assert not mixed.flags.writeable
    mixer.mix(picture(3, 3), picture(4, channels), Mixing(mode, 0.3))
    assert np.array_equal(mixed, kept), "a picture that was handed out does not change"
    assert np.array_equal(first, before[0])
    assert np.array_equal(second, before[1])
    assert np.array_equal(mixer.mix(first, second, Mixing(mode, 0.0)), first), "no amount leaves the first picture"


def flat(*colours: tuple[int, ...]) -> Pixels:
    return np.array([colours], np.uint8)


def test_green_is_keyed_out() -> None:
    stage = flat((10, 20, 30), (10, 20, 30), (10, 20, 30), (10, 20, 30))
    actor = flat((0, 255, 0), (40, 150, 60), (220, 170, 140), (128, 128, 128))
    keyed = PictureMixer(4, 1).mix(stage, actor, Mixing("chroma_key", 1.0))
    assert keyed.tolist() == [[[10, 20, 30], [10, 20, 30], [220, 170, 140], [128, 128, 128]]]


def test_hard_edge_is_one_level_wide() -> None:
    greys = flat(*((level, level, level) for level in (99, 101, 102, 103, 104)))
    mixed = PictureMixer(5, 1).mix(np.zeros_like(greys), greys, Mixing("luma_key", 1.0, 0.0, 102 / 255, 0.0))
    assert mixed[0, :, 0].tolist() == [0, 0, 0, 103, 104]


@pytest.mark.parametrize(
    ("hue", "colour"),
    [(0, (1, 0, 0)), (1 / 12, (1, 0.5, 0)), (1 / 6, (1, 1, 0)), (1 / 3, (0, 1, 0)), (2 / 3, (0, 0, 1)), (1, (1, 0, 0))],
)
def test_pure_hue_counts_as_one(hue: float, colour: tuple[float, float, float]) -> None:
    amounts = key_matrix(hue)[:2, :3] @ colour
    assert amounts.min() == pytest.approx(1, abs=1e-6)
    assert (key_matrix(hue)[:2, :3] @ (1, 1, 1)).tolist() == pytest.approx([0, 0], abs=1e-6)


def test_dark_parts_are_keyed_out() -> None:
    below, title = flat((90, 0, 0), (90, 0, 0)), flat((5, 5, 5), (240, 240, 240))
    assert PictureMixer(2, 1).mix(below, title, Mixing("luma_key", 1.0)).tolist() == [[[90, 0, 0], [240, 240, 240]]]


def test_mask_keeps_what_is_white() -> None:
    mixed = PictureMixer(3, 1).mix(
        flat(*3 * [(200, 100, 50)]), flat((0,) * 3, (255,) * 3, (128,) * 3), Mixing("mask", 1)
    )
    assert mixed.tolist() == [[[0, 0, 0], [200, 100, 50], [100, 50, 25]]]


def test_every_control_reaches_the_mixing() -> None:
    parameters = Parameters(mix_mode="chroma_key", mix=0.1, key_hue=0.2, key_threshold=0.3, key_softness=0.4)
    assert mixing_of(parameters) == Mixing("chroma_key", 0.1, 0.2, 0.3, 0.4)
    assert mixing_of(Parameters()) == Mixing(), "both have the same defaults"


def test_hidden_colours_do_not_bleed() -> None:
    """A white logo whose transparent pixels are green on the disk has no green edge once it is made smaller."""
    logo = np.zeros((8, 8, 4), np.uint8)
    logo[:, :, 1] = 255
    logo[:, 3:] = 255
    layer = fit(logo, 4, 4, keep_alpha=True)
    assert layer.shape == (4, 4, 4)
    assert layer[0, 1].tolist() == [128, 128, 128, 128]
    mixed = PictureMixer(4, 4).mix(np.zeros((4, 4, 3), np.uint8), layer, Mixing("fade", 1.0))
    assert mixed[0].tolist() == [[0] * 3, [128] * 3, [255] * 3, [255] * 3]


def test_bars_of_a_layer_are_transparent() -> None:
    wide = np.full((4, 8, 4), 255, np.uint8)
    layer = fit(wide, 8, 8, Framing("fit"), keep_alpha=True)
    assert layer[:, 0, 3].tolist() == [0, 0, 255, 255, 255, 255, 0, 0]
    assert fit(wide[:, :, :3], 8, 8, Framing("fit"), keep_alpha=True).shape == (8, 8, 3)
    assert fit(wide, 8, 8, Framing("fit")).shape == (8, 8, 3), "alpha is left out unless it is wanted"
