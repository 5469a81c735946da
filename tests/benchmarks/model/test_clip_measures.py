"""Edges, motion and flicker on pictures whose right answer is known."""

import cv2
import numpy as np
import pytest

from benchmarks.model.clip_measures import (
    clip_flows,
    edge_correlation,
    flicker,
    flow_to_previous,
    light_correlation,
    motion_agreement,
    warp,
)


def textured(seed: int, size: int = 128) -> np.ndarray:
    noise = np.random.default_rng(seed).integers(0, 256, (size // 4, size // 4, 3)).astype(np.uint8)
    return cv2.resize(noise, (size, size), interpolation=cv2.INTER_CUBIC)


def shifted(pixels: int, count: int = 4, seed: int = 0) -> list[np.ndarray]:
    """Return a clip whose content moves to the right by so many pixels per frame."""
    wide = textured(seed, 192)
    return [np.ascontiguousarray(wide[:128, 40 - pixels * at : 168 - pixels * at]) for at in range(count)]


def test_edges_of_equal_pictures() -> None:
    picture = textured(1)
    assert edge_correlation(picture, picture) == pytest.approx(1)
    assert edge_correlation(picture, 255 - picture) == pytest.approx(1, abs=1e-3)


def test_edges_of_unrelated_pictures() -> None:
    assert abs(edge_correlation(textured(1), textured(2))) < 0.15
    assert edge_correlation(textured(1), np.full((128, 128, 3), 90, np.uint8)) == 0


def test_light_correlation() -> None:
    picture = textured(1)
    assert light_correlation(picture, picture // 2) == pytest.approx(1, abs=1e-3)
    assert light_correlation(picture, 255 - picture) == pytest.approx(-1, abs=1e-3)
    assert abs(light_correlation(picture, textured(2))) < 0.15
    assert light_correlation(picture, np.full((128, 128, 3), 90, np.uint8)) == 0


def test_edges_forgive_one_pixel_not_eight() -> None:
    picture = np.zeros((128, 128, 3), np.uint8)
    cv2.circle(picture, (64, 64), 30, (255, 255, 255), -1)
    assert edge_correlation(picture, np.roll(picture, 1, axis=1)) > 0.8
    assert edge_correlation(picture, np.roll(picture, 8, axis=1)) < 0.4


@pytest.mark.parametrize("pixels", [2, 5])
def test_flow_of_shifted_picture(pixels: int) -> None:
    previous, picture = shifted(pixels, 2)
    flow = flow_to_previous(picture, previous)[16:-16, 16:-16]
    assert np.median(flow[..., 0]) == pytest.approx(-pixels, abs=0.2)
    assert np.median(flow[..., 1]) == pytest.approx(0, abs=0.2)


def test_warp_undoes_shift() -> None:
    previous, picture = shifted(3, 2)
    moved, inside = warp(previous, np.full((128, 128, 2), (-3, 0), np.float32))
    np.testing.assert_array_equal(moved[:, 3:], picture[:, 3:])
    assert inside[:, 3:].all()
    assert not inside[:, :3].any()


def test_motion_agreement_of_same_and_opposite() -> None:
    right, left = clip_flows(shifted(3)), clip_flows(shifted(-3))
    assert motion_agreement(right, clip_flows(shifted(3, seed=7))) == pytest.approx(1, abs=0.05)
    assert motion_agreement(right, left) == pytest.approx(-1, abs=0.05)
    assert motion_agreement(right, [np.zeros_like(flow) for flow in right]) == 0
    assert motion_agreement(clip_flows(shifted(0)), right) is None


def test_flicker_ignores_motion_of_source() -> None:
    clip = shifted(3)
    flows = [np.full((128, 128, 2), (-3, 0), np.float32)] * 3
    assert flicker(clip, flows) == pytest.approx(0, abs=1e-6)
    assert flicker(clip, [np.zeros_like(flow) for flow in flows]) > 5


def test_flicker_of_blinking_clip() -> None:
    dark, bright = np.full((64, 64, 3), 100, np.uint8), np.full((64, 64, 3), 151, np.uint8)
    flows = [np.zeros((64, 64, 2), np.float32)] * 2
    assert flicker([dark, bright, dark], flows) == pytest.approx(20)
    assert flicker([dark], []) == 0
