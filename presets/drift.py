"""Chains of noises: the noise of a picture while it drifts, and the arc between two such noises.

A noise is a weighted sum of independent unit noises whose squared weights sum to 1, so its variance stays 1. Two noises
are mixed along the great circle, at a constant angle: the spherical interpolation of Song et al., "Denoising Diffusion
Implicit Models" (2021). A chain moves from each of its noises to the next by a quarter turn.
"""

import math
from collections.abc import Iterable, Mapping
from typing import NamedTuple

MAX_CHAINS = 16
"""Most chains in a mix. Each adds two noises while it drifts."""

NEGLIGIBLE = 1e-12
"""Weights below this are left out."""

Axis = tuple[int, int]
"""Seed and leg of one independent noise."""


class NoiseChain(NamedTuple):
    """Independent noises in a row: the seed's own, then its legs. All chains drift together, at one speed."""

    seed: int
    start: float
    """Drift in noises at which this chain is at the seed's own noise."""
    weight: float = 1.0


def noise_weights(chains: Iterable[NoiseChain], drift: float) -> dict[Axis, float]:
    """Return the weights of a mix of chains at a drift in noises. Their squares sum to 1."""
    weights = _weighted_sum(chains, drift)
    length = math.hypot(*weights.values())
    return {axis: weight / length for axis, weight in weights.items()}


def slerp_chains(
    old: tuple[NoiseChain, ...], new: tuple[NoiseChain, ...], drift: float, share: float
) -> tuple[NoiseChain, ...]:
    """Return the chains whose mix is at `share`, 0 to 1, of the great circle from the old mix to the new one."""
    one, other = _weighted_sum(old, drift), _weighted_sum(new, drift)
    lengths = math.hypot(*one.values()), math.hypot(*other.values())
    cosine = _dot(one, other) / (lengths[0] * lengths[1])
    angle = math.acos(min(max(cosine, -1.0), 1.0))  # at most a right angle, because no weight is negative
    # For nearly equal mixes the straight line equals the arc within rounding.
    parts = (1.0 - share, share) if angle < 1e-6 else (math.sin((1.0 - share) * angle), math.sin(share * angle))
    return tuple(
        chain._replace(weight=chain.weight * part / length)
        for chains, part, length in zip((old, new), parts, lengths, strict=True)
        for chain in chains
    )


def limit_chains(chains: Iterable[NoiseChain], most: int) -> tuple[NoiseChain, ...]:
    """Merge equal chains, in order, and keep the `most` of them that weigh most."""
    weights: dict[tuple[int, float], float] = {}
    for seed, start, weight in chains:
        weights[seed, start] = weights.get((seed, start), 0.0) + weight
    kept = set(sorted(weights, key=lambda each: -weights[each])[:most])
    return tuple(NoiseChain(*each, weight) for each, weight in weights.items() if each in kept and weight > 0)


def _weighted_sum(chains: Iterable[NoiseChain], drift: float) -> dict[Axis, float]:
    """Add the chains up. Chains of one seed share axes where they overlap, so the length is not that of the weights."""
    weights: dict[Axis, float] = {}
    for seed, start, weight in chains:
        fraction, whole = math.modf(max(drift - start, 0.0))
        angle = fraction * math.pi / 2
        for axis, part in (((seed, int(whole)), math.cos(angle)), ((seed, int(whole) + 1), math.sin(angle))):
            if part * weight > NEGLIGIBLE:
                weights[axis] = weights.get(axis, 0.0) + part * weight
    return weights


def _dot(one: Mapping[Axis, float], other: Mapping[Axis, float]) -> float:
    return math.fsum(weight * other.get(axis, 0.0) for axis, weight in one.items())
