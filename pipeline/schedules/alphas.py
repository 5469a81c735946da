"""Cumulative alphas of a diffusion model's noise schedule, which its distilled flow inherits."""

import math
from functools import lru_cache
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from presets.errors import ScheduleError

BetaSchedule = Literal["linear", "scaled_linear", "squaredcos_cap_v2"]
BETA_SCHEDULES: tuple[str, ...] = get_args(BetaSchedule)

MAX_BETA = 0.999
"""Cap of the cosine schedule (Nichol and Dhariwal 2021), whose last β would be 1."""


@lru_cache(maxsize=16)
def alphas_cumprod(
    num_train_timesteps: int = 1000,
    beta_start: float = 0.00085,
    beta_end: float = 0.012,
    beta_schedule: BetaSchedule = "scaled_linear",
) -> NDArray[np.float64]:
    """Return ``ᾱ = cumprod(1 − β)``, with diffusers' names. The defaults are those of Stable Diffusion and PeRFlow.

    At timestep t, counted from 0, the noised latent is ``√ᾱ[t]·x + √(1 − ᾱ[t])·n``.

    Args:
        num_train_timesteps: T, 1 or more.
        beta_start: First β, above 0.
        beta_end: Last β, from `beta_start` to below 1.
        beta_schedule: "linear" in β, "scaled_linear" in √β, or "squaredcos_cap_v2", the cosine schedule of Nichol and
            Dhariwal (2021), which ignores `beta_start` and `beta_end`.

    Returns:
        float64 ``[T]``, falling, read-only.

    Raises:
        ScheduleError: a setting is out of range; the message names it, its value and the range.
    """
    if not num_train_timesteps >= 1 or num_train_timesteps % 1:
        raise ScheduleError(f"num_train_timesteps is {num_train_timesteps}; it must be a whole number of 1 or more.")
    if beta_schedule not in BETA_SCHEDULES:
        raise ScheduleError(f"beta_schedule is {beta_schedule!r}; it is one of {', '.join(BETA_SCHEDULES)}.")
    if beta_schedule != "squaredcos_cap_v2" and not 0 < beta_start <= beta_end < 1:
        raise ScheduleError(
            f"beta_start is {beta_start} and beta_end {beta_end}; they must lie between 0 and 1, with beta_end not"
            " below beta_start."
        )
    if beta_schedule == "linear":
        betas = np.linspace(beta_start, beta_end, num_train_timesteps)
    elif beta_schedule == "scaled_linear":
        betas = np.linspace(math.sqrt(beta_start), math.sqrt(beta_end), num_train_timesteps) ** 2
    else:
        alpha_bar = np.cos((np.linspace(0, 1, num_train_timesteps + 1) + 0.008) / 1.008 * math.pi / 2) ** 2
        betas = np.minimum(1 - alpha_bar[1:] / alpha_bar[:-1], MAX_BETA)
    alphas = np.cumprod(1 - betas, dtype=np.float64)
    alphas.setflags(write=False)
    return alphas
