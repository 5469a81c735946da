"""Unit noise as a function of seed and row, so that a still input gives a still output."""

import math
from collections.abc import Callable, Sequence
from functools import lru_cache

import numpy as np
import torch

from presets.errors import StreamError
from presets.frame_parameters import NoiseWeight

ENTRY = 0
"""The row of the noise that a picture enters with; the fresh noise of schedule row r is row r + 1."""

CACHED = 64
"""How many noises are kept on the device; a seed fader sweeps through thousands."""

FAINTEST = 1e-6
"""The least length of a mix's weights that is scaled up to unit variance, and the inverse of the greatest."""

NoiseBank = Callable[[Sequence[NoiseWeight], int, torch.Tensor], None]
"""``bank(shares, row, out)`` writes that mix into `out` and allocates nothing for noises that it has met."""


def unit_noise(seed: int, row: int, shape: tuple[int, ...], leg: int = 0) -> torch.Tensor:
    """Standard normal float32 noise of `shape`, on the CPU and the same on every machine and device.

    numpy's generator and not torch's, whose CPU one hears only the low 32 bits of its seed: three numbers need more.
    """
    key = (seed, row, leg) if leg else (seed, row)
    return torch.from_numpy(np.random.default_rng(key).standard_normal(shape, dtype=np.float32))


def unit_weights(shares: Sequence[NoiseWeight]) -> list[float]:
    """The weights scaled so that the noises mixed by them have unit variance; those of one seed and leg are one.

    Raises:
        StreamError: no share, or weights that are not finite or leave nothing.
    """
    together: dict[tuple[int, int], float] = {}
    for seed, leg, weight in shares:
        together[seed, leg] = together.get((seed, leg), 0.0) + weight
    length = math.hypot(*together.values())
    if not FAINTEST <= length <= 1.0 / FAINTEST:  # NaN is refused here too
        raise StreamError(f"The noise is {tuple(shares)}; its weights must be finite, and not cancel each other.")
    return [share.weight / length for share in shares]


def noise_bank(shape: tuple[int, ...], device: torch.device, dtype: torch.dtype) -> NoiseBank:
    """Noise on the device, the last `CACHED` of them kept there."""

    @lru_cache(maxsize=CACHED)
    def kept(seed: int, row: int, leg: int) -> torch.Tensor:
        noise = unit_noise(seed, row, shape, leg).to(dtype)
        return noise.pin_memory().to(device, non_blocking=True) if device.type == "cuda" else noise.to(device)

    def bank(shares: Sequence[NoiseWeight], row: int, out: torch.Tensor) -> None:
        if len(shares) == 1:
            out.copy_(kept(shares[0].seed, row, shares[0].leg))
            return
        out.zero_()
        for share, weight in zip(shares, unit_weights(shares), strict=True):
            out.add_(kept(share.seed, row, share.leg), alpha=weight)

    return bank
