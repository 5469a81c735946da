"""Chains of noises against vectors of numpy, however the chains overlap."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from presets.drift import NoiseChain, limit_chains, noise_weights, slerp_chains

CHAINS = st.lists(
    st.builds(NoiseChain, seed=st.integers(0, 2), start=st.floats(0, 3), weight=st.floats(0.01, 1)),
    min_size=1,
    max_size=4,
).map(tuple)


def vector(chains: tuple[NoiseChain, ...], drift: float) -> NDArray[np.float64]:
    """Return the unit vector of a mix on the axes (seed, leg)."""
    found = np.zeros((3, 8))
    for seed, start, weight in chains:
        leg = math.floor(drift - start)
        angle = (drift - start - leg) * np.pi / 2
        found[seed, leg] += weight * np.cos(angle)
        found[seed, leg + 1] += weight * np.sin(angle)
    unit: NDArray[np.float64] = found.ravel() / np.linalg.norm(found)
    return unit


def slerp(one: NDArray[np.float64], other: NDArray[np.float64], share: float) -> NDArray[np.float64]:
    angle = np.arctan2(np.linalg.norm(other - one.dot(other) * one), one.dot(other))
    return (np.sin((1 - share) * angle) * one + np.sin(share * angle) * other) / np.sin(angle)


def as_vector(weights: dict[tuple[int, int], float]) -> NDArray[np.float64]:
    found = np.zeros((3, 8))
    for (seed, leg), weight in weights.items():
        found[seed, leg] = weight
    return found.ravel()


@settings(deadline=None)
@given(CHAINS, st.floats(3, 6))
def test_mix_is_a_unit_vector(chains: tuple[NoiseChain, ...], drift: float) -> None:
    np.testing.assert_allclose(as_vector(noise_weights(chains, drift)), vector(chains, drift), atol=1e-9)


@settings(deadline=None)
@given(CHAINS, CHAINS, st.floats(3, 6), st.floats(0, 1))
def test_slerp_matches_the_textbook(
    old: tuple[NoiseChain, ...], new: tuple[NoiseChain, ...], drift: float, share: float
) -> None:
    one, other = vector(old, drift), vector(new, drift)
    found = as_vector(noise_weights(slerp_chains(old, new, drift, share), drift))
    expected = slerp(one, other, share) if np.linalg.norm(one - other) > 1e-4 else (1 - share) * one + share * other
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_limit_merges_and_keeps_the_heaviest() -> None:
    chains = [
        NoiseChain(1, 0.0, 0.2),
        NoiseChain(2, 0.0, 0.5),
        NoiseChain(1, 0.0, 0.4),
        NoiseChain(3, 1.0, 0.1),
        NoiseChain(1, 2.0, 0.3),
    ]
    kept = limit_chains(chains, 3)
    assert [chain[:2] for chain in kept] == [(1, 0.0), (2, 0.0), (1, 2.0)]
    assert [chain.weight for chain in kept] == [pytest.approx(0.6), 0.5, 0.3]
