"""Chains of noises: where the noise of a picture stands while it wanders, and between two such places.

A place is a unit vector whose axes are independent unit noises, so whatever is mixed by it has variance 1. Between two
places the way is the great circle, at a constant angle: the spherical interpolation of noises in Song et al.,
"Denoising Diffusion Implicit Models" (2021). A chain goes likewise from each noise to the next, by a quarter turn.
"""

import math
from collections.abc import Iterable, Mapping
from typing import NamedTuple

MOST_CHAINS = 16
"""How many are mixed at the most, of two noises each while they wander."""

LEAST = 1e-12
"""A weight below it is as good as none, and is left out."""

Axis = tuple[int, int]
"""Seed and leg: a noise of its own."""


class NoiseChain(NamedTuple):
    """Independent noises in a row: a seed's own, then its legs. All chains are walked together, at one speed."""

    seed: int
    began: float
    """How many noises had been walked in all when this chain began: there it stands on the seed's own."""
    weight: float = 1.0


def stand(chains: Iterable[NoiseChain], walked: float) -> dict[Axis, float]:
    """Where the mix of these chains stands once `walked` noises have been walked in all: squares sum to 1."""
    found = _mixed(chains, walked)
    length = math.hypot(*found.values())
    return {axis: weight / length for axis, weight in found.items()}


def between(
    old: tuple[NoiseChain, ...], new: tuple[NoiseChain, ...], walked: float, share: float
) -> tuple[NoiseChain, ...]:
    """The chains whose mix stands at `share`, 0 to 1, of the great circle from the old mix to the new one."""
    one, other = _mixed(old, walked), _mixed(new, walked)
    lengths = math.hypot(*one.values()), math.hypot(*other.values())
    cosine = _product(one, other) / (lengths[0] * lengths[1])
    angle = math.acos(min(max(cosine, -1.0), 1.0))  # a right one at the most: no weight is negative
    # Of two places that are nearly one, the straight line between them can't be told from the arc.
    parts = (1.0 - share, share) if angle < 1e-6 else (math.sin((1.0 - share) * angle), math.sin(share * angle))
    return tuple(
        chain._replace(weight=chain.weight * part / length)
        for chains, part, length in zip((old, new), parts, lengths, strict=True)
        for chain in chains
    )


def strongest(chains: Iterable[NoiseChain], most: int) -> tuple[NoiseChain, ...]:
    """The same chains once each, in order, no more than `most` of them: the weakest are left out."""
    weights: dict[tuple[int, float], float] = {}
    for seed, began, weight in chains:
        weights[seed, began] = weights.get((seed, began), 0.0) + weight
    kept = set(sorted(weights, key=lambda each: -weights[each])[:most])
    return tuple(NoiseChain(*each, weight) for each, weight in weights.items() if each in kept and weight > 0)


def _mixed(chains: Iterable[NoiseChain], walked: float) -> dict[Axis, float]:
    """Chains of one seed share axes where they overlap, so the length of this is not that of their weights."""
    found: dict[Axis, float] = {}
    for seed, began, weight in chains:
        further, whole = math.modf(max(walked - began, 0.0))
        angle = further * math.pi / 2
        for axis, part in (((seed, int(whole)), math.cos(angle)), ((seed, int(whole) + 1), math.sin(angle))):
            if part * weight > LEAST:
                found[axis] = found.get(axis, 0.0) + part * weight
    return found


def _product(one: Mapping[Axis, float], other: Mapping[Axis, float]) -> float:
    return math.fsum(weight * other.get(axis, 0.0) for axis, weight in one.items())
