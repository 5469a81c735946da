"""Unit noise as a function of seed and row, so that a still input gives a still output."""

from collections.abc import Callable
from functools import lru_cache

import numpy as np
import torch

ENTRY = 0
"""The row of the noise that a picture enters with; the fresh noise of schedule row r is row r + 1."""

CACHED = 32
"""How many noises are kept on the device; a seed fader sweeps through thousands."""


def unit_noise(seed: int, row: int, shape: tuple[int, ...]) -> torch.Tensor:
    """Standard normal float32 noise of `shape`, on the CPU and the same on every machine and device.

    numpy's generator and not torch's, whose CPU one hears only the low 32 bits of its seed: two numbers need more.
    """
    return torch.from_numpy(np.random.default_rng((seed, row)).standard_normal(shape, dtype=np.float32))


def noise_bank(shape: tuple[int, ...], device: torch.device, dtype: torch.dtype) -> Callable[[int, int], torch.Tensor]:
    """``bank(seed, row)``: that noise on the device, the last `CACHED` of them kept there. Not to be written to."""

    @lru_cache(maxsize=CACHED)
    def bank(seed: int, row: int) -> torch.Tensor:
        return unit_noise(seed, row, shape).to(device=device, dtype=dtype)

    return bank
