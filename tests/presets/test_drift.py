"""Chains of noises against vectors of numpy: the great circle, however the chains overlap."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from presets.drift import NoiseChain, between, stand, strongest

CHAINS = st.lists(
    st.builds(NoiseChain, seed=st.integers(0, 2), began=st.floats(0, 3), weight=st.floats(0.01, 1)),
    min_size=1,
    max_size=4,
).map(tuple)


def vector(chains: tuple[NoiseChain, ...], walked: float) -> NDArray[np.float64]:
    """The unit vector of a mix, on axes (seed, leg) written out."""
    found = np.zeros((3, 8))
    for seed, began, weight in chains:
        leg = math.floor(walked - began)
        angle = (walked - began - leg) * np.pi / 2
        found[seed, leg] += weight * np.cos(angle)
        found[seed, leg + 1] += weight * np.sin(angle)
    unit: NDArray[np.float64] = found.ravel() / np.linalg.norm(found)
    return unit


def slerp(one: NDArray[np.float64], other: NDArray[np.float64], share: float) -> NDArray[np.float64]:
    angle = np.arctan2(np.linalg.norm(other - one.dot(other) * one), one.dot(other))
    return (np.sin((1 - share) * angle) * one + np.sin(share * angle) * other) / np.sin(angle)


def as_vector(place: dict[tuple[int, int], float]) -> NDArray[np.float64]:
    found = np.zeros((3, 8))
    for (seed, leg), weight in place.items():
        found[seed, leg] = weight
    return found.ravel()


@settings(deadline=None)
@given(CHAINS, st.floats(3, 6))
def test_a_mix_stands_on_the_unit_sphere(chains: tuple[NoiseChain, ...], walked: float) -> None:
    np.testing.assert_allclose(as_vector(stand(chains, walked)), vector(chains, walked), atol=1e-9)


@settings(deadline=None)
@given(CHAINS, CHAINS, st.floats(3, 6), st.floats(0, 1))
def test_between_two_mixes_it_is_the_textbook_slerp(
    old: tuple[NoiseChain, ...], new: tuple[NoiseChain, ...], walked: float, share: float
) -> None:
    one, other = vector(old, walked), vector(new, walked)
    found = as_vector(stand(between(old, new, walked, share), walked))
    expected = slerp(one, other, share) if np.linalg.norm(one - other) > 1e-4 else (1 - share) * one + share * other
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_the_strongest_are_kept_in_order_and_the_same_chain_is_once() -> None:
    chains = [
        NoiseChain(1, 0.0, 0.2),
        NoiseChain(2, 0.0, 0.5),
        NoiseChain(1, 0.0, 0.4),
        NoiseChain(3, 1.0, 0.1),
        NoiseChain(1, 2.0, 0.3),
    ]
    kept = strongest(chains, 3)
    assert [chain[:2] for chain in kept] == [(1, 0.0), (2, 0.0), (1, 2.0)]
    assert [chain.weight for chain in kept] == [pytest.approx(0.6), 0.5, 0.3]
