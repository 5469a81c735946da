"""Euler's method for diffusion models distilled to few steps: SD-Turbo, SDXL-Turbo, SDXL-Lightning and their like."""

from functools import lru_cache
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from pipeline.schedule import FlowSchedule, check_settings, start_at_strength
from pipeline.schedules.alphas import BetaSchedule, alphas_cumprod
from pipeline.schedules.lcm import PREDICTION_TYPES, PredictionType
from presets.errors import ScheduleError

Spacing = Literal["linspace", "leading", "trailing"]
SPACINGS: tuple[str, ...] = get_args(Spacing)

Column = NDArray[np.float64]


@lru_cache(maxsize=1024)
def euler_schedule(
    steps: int,
    strength: float,
    *,
    ancestral: bool = False,
    prediction_type: PredictionType = "epsilon",
    timestep_spacing: Spacing = "linspace",
    steps_offset: int = 0,
    num_train_timesteps: int = 1000,
    beta_start: float = 0.0001,
    beta_end: float = 0.02,
    beta_schedule: BetaSchedule = "linear",
) -> FlowSchedule:
    """Return Euler's method (Karras et al. 2022, algorithm 1 without churn), as in diffusers' EulerDiscreteScheduler.

    With ``σ = √((1 − ᾱ)/ᾱ)`` diffusers' latent is ``x + σ·n``, and its step is ``z' = z + (σ' − σ)·(z − x̂)/σ``. The
    ancestral kind goes down further and adds noise to reach σ' (diffusers' EulerAncestralDiscreteScheduler). Here the
    latent is divided by ``√(σ² + 1)``, so that it has the variance of a clean one at every row; the result is the same.

    Strength is continuous in the timestep, unlike in diffusers: the rows are the timestep strength·T and every grid
    point below it. A single step always begins at the last timestep, where diffusers' "linspace" and "leading" begin
    at the first and draw noise.

    Args:
        steps: Network calls from pure noise to the clean latent, 1 to `num_train_timesteps`.
        strength: 0 (the source is kept) to 1 (pure noise).
        ancestral: Add noise after each row but the last.
        prediction_type: The network predicts the noise, the clean latent, or ``α·n − β·x``.
        timestep_spacing: Grid of timesteps, with the names of diffusers.
        steps_offset: Added to the timesteps of "leading".
        num_train_timesteps: T. See `pipeline.schedules.alphas.alphas_cumprod`, also for the β settings.

    Raises:
        ScheduleError: a setting is out of range; the message names it, its value and the range.
    """
    check_settings(steps=steps, strength=strength, train_timesteps=num_train_timesteps)
    if prediction_type not in PREDICTION_TYPES:
        raise ScheduleError(f"prediction_type is {prediction_type!r}; it is one of {', '.join(PREDICTION_TYPES)}.")
    grid = _grid(steps, timestep_spacing, steps_offset, num_train_timesteps)
    # Timesteps count from 0, so the clean latent is at −1.
    t = start_at_strength(grid + 1.0, strength) - 1.0
    alphas = alphas_cumprod(num_train_timesteps, beta_start, beta_end, beta_schedule)
    sigma = np.interp(t, np.arange(num_train_timesteps), np.sqrt((1 - alphas) / alphas))
    sigma_next = np.append(sigma[1:], 0.0)[: len(sigma)]
    size, size_next = np.sqrt(sigma**2 + 1), np.sqrt(sigma_next**2 + 1)
    zero, one = np.zeros_like(sigma), np.ones_like(sigma)
    # The clean latent x̂ = x_z·z + x_out·out in diffusers' units, and the ideal output = out_x·x + out_n·n.
    x_z, x_out, out_x, out_n = {
        "epsilon": (one, -sigma, zero, one),
        "sample": (zero, one, one, zero),
        "v_prediction": (1 / size**2, -sigma / size, -sigma / size, 1 / size),
    }[prediction_type]
    down, up = _ancestral_sigmas(sigma, sigma_next) if ancestral else (sigma_next, zero)
    a, b = _step(x_z, x_out, down / sigma)
    return FlowSchedule.from_columns(
        timestep=t,
        a=a * size / size_next,
        b=b / size_next,
        c=up / size_next if ancestral else None,
        p=1 / size,
        q=sigma / size,
        out_x=out_x,
        out_n=out_n,
        strength=float(strength),
        # diffusers starts "leading" with the variance of a noised latent, and the others with that of the noise.
        init_noise_sigma=1.0 if timestep_spacing == "leading" or not len(t) else float(sigma[0] / size[0]),
    )


def _step(x_z: Column, x_out: Column, kept: Column) -> tuple[Column, Column]:
    """Return a and b of ``z' = x̂ + kept·(z − x̂)``, for a share of the noise that is kept."""
    return kept + (1 - kept) * x_z, (1 - kept) * x_out


def _ancestral_sigmas(sigma: Column, sigma_next: Column) -> tuple[Column, Column]:
    """Return the σ to go down to, and that of the noise to add, so that both together are `sigma_next`."""
    up = np.sqrt(sigma_next**2 * (sigma**2 - sigma_next**2) / sigma**2)
    return np.sqrt(sigma_next**2 - up**2), up


def _grid(steps: int, spacing: str, offset: int, train_timesteps: int) -> Column:
    """Return the falling timesteps ``[steps]``, from 0 to T − 1."""
    if spacing not in SPACINGS:
        raise ScheduleError(f"timestep_spacing is {spacing!r}; it is one of {', '.join(SPACINGS)}.")
    if steps > train_timesteps:
        raise ScheduleError(f"steps is {steps}; it must be at most num_train_timesteps, {train_timesteps}.")
    if offset % 1 or not 0 <= offset < train_timesteps // steps:
        raise ScheduleError(f"steps_offset is {offset!r}; it must be a whole number below one step.")
    falling = np.arange(steps, dtype=np.float64)
    if spacing == "trailing" or steps == 1:
        grid: Column = np.rint(train_timesteps - falling * (train_timesteps / steps)) - 1.0
    elif spacing == "leading":
        grid = falling[::-1] * (train_timesteps // steps) + offset
    else:
        grid = np.linspace(train_timesteps - 1.0, 0.0, steps)
    return grid
