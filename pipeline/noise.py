"""Unit noise as a function of seed and schedule row, so that a still input gives a still output."""

import math
from collections.abc import Callable, Sequence
from functools import lru_cache

import numpy as np
import torch

from presets.errors import StreamError
from presets.frame_parameters import NoiseWeight

ENTRY = 0
"""Row of the noise that a frame enters with. The fresh noise of schedule row r is row r + 1."""

CACHE_SIZE = 64
"""Number of noises kept on the device. Moving the seed fader needs thousands, so older ones are dropped."""

MIN_LENGTH = 1e-6
"""Smallest length of a weight vector that is scaled to unit variance. The largest is its inverse."""

NoiseMixer = Callable[[Sequence[NoiseWeight], int, torch.Tensor], None]
"""``mix(weights, row, out)`` writes the mix into `out`. It allocates nothing for cached noises."""


def unit_noise(seed: int, row: int, shape: tuple[int, ...], leg: int = 0) -> torch.Tensor:
    """Return standard normal float32 noise of `shape` on the CPU, the same on every machine.

    The generator is numpy's, because torch's CPU generator uses only the low 32 bits of its seed.

    Args:
        seed: Seed of the frame.
        row: `ENTRY`, or 1 + a schedule row.
        shape: Shape of the noise.
        leg: Index of an independent noise of the same seed, for drift.
    """
    key = (seed, row, leg) if leg else (seed, row)
    return torch.from_numpy(np.random.default_rng(key).standard_normal(shape, dtype=np.float32))


def unit_variance_weights(weights: Sequence[NoiseWeight]) -> list[float]:
    """Return the weights scaled so that the mixed noise has unit variance. Equal seed and leg are one noise.

    Raises:
        StreamError: there is no weight, one is not finite, or their sum of squares is 0.
    """
    totals: dict[tuple[int, int], float] = {}
    for seed, leg, weight in weights:
        totals[seed, leg] = totals.get((seed, leg), 0.0) + weight
    length = math.hypot(*totals.values())
    if not MIN_LENGTH <= length <= 1.0 / MIN_LENGTH:  # also refuses NaN
        raise StreamError(f"The noise is {tuple(weights)}; its weights must be finite and must not cancel out.")
    return [weight / length for _, _, weight in weights]


def noise_mixer(shape: tuple[int, ...], device: torch.device, dtype: torch.dtype) -> NoiseMixer:
    """Return a function that mixes noises on the device. The last `CACHE_SIZE` noises stay there."""

    @lru_cache(maxsize=CACHE_SIZE)
    def on_device(seed: int, row: int, leg: int) -> torch.Tensor:
        noise = unit_noise(seed, row, shape, leg).to(dtype)
        return noise.pin_memory().to(device, non_blocking=True) if device.type == "cuda" else noise.to(device)

    def mix(weights: Sequence[NoiseWeight], row: int, out: torch.Tensor) -> None:
        if len(weights) == 1:
            out.copy_(on_device(weights[0].seed, row, weights[0].leg))
            return
        out.zero_()
        for noise, alpha in zip(weights, unit_variance_weights(weights), strict=True):
            out.add_(on_device(noise.seed, row, noise.leg), alpha=alpha)

    return mix
