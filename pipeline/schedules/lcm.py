"""Latent consistency models, supported for comparison with flows."""

from functools import lru_cache
from typing import Literal, get_args

import numpy as np

from pipeline.schedule import FlowSchedule, check_settings, start_at_strength
from pipeline.schedules.alphas import BetaSchedule, alphas_cumprod
from presets.errors import ScheduleError

PredictionType = Literal["epsilon", "sample", "v_prediction"]
PREDICTION_TYPES: tuple[str, ...] = get_args(PredictionType)

SIGMA_DATA = 0.5
"""σ_data of the boundary conditions, as in Luo et al. and in diffusers."""


@lru_cache(maxsize=1024)
def lcm_schedule(
    steps: int,
    strength: float,
    *,
    prediction_type: PredictionType = "epsilon",
    original_inference_steps: int = 50,
    timestep_scaling: float = 10.0,
    num_train_timesteps: int = 1000,
    beta_start: float = 0.00085,
    beta_end: float = 0.012,
    beta_schedule: BetaSchedule = "scaled_linear",
) -> FlowSchedule:
    """Return the sampler of latent consistency models (Luo et al. 2023), as in diffusers' LCMScheduler.

    With ``α = √ᾱ[t]`` and ``β = √(1 − ᾱ[t])`` the latent is ``α·x + β·n``. Each step predicts the clean latent,
    ``x̂ = (z − β·out)/α`` for a network that predicts noise, and applies the boundary conditions:
    ``x̂ ← c_out·x̂ + c_skip·z``. Then it adds noise to reach the next timestep, ``z' = α'·x̂ + β'·noise``. The last step
    adds none.

    The timesteps are those of diffusers: `steps` out of the `original_inference_steps` of the distillation. Strength is
    continuous, unlike in diffusers, which fits all the steps into the shorter run: the rows are the timestep
    strength·T, rounded, and every grid point below it.

    Args:
        steps: Network calls from pure noise to the clean latent, 1 to `original_inference_steps`.
        strength: 0 (the source is kept) to 1 (pure noise).
        prediction_type: The network predicts the noise, the clean latent, or ``α·n − β·x``.
        original_inference_steps: 1 to `num_train_timesteps`.
        timestep_scaling: Factor of the timestep in the boundary conditions, above 0.
        num_train_timesteps: T. See `pipeline.schedules.alphas.alphas_cumprod`, also for the β settings.

    Raises:
        ScheduleError: a setting is out of range; the message names it, its value and the range.
    """
    check_settings(steps=steps, strength=strength, train_timesteps=num_train_timesteps)
    _check(steps, prediction_type, original_inference_steps, timestep_scaling, num_train_timesteps)
    alphas = alphas_cumprod(num_train_timesteps, beta_start, beta_end, beta_schedule)
    grid = np.arange(original_inference_steps, 0, -1) * (num_train_timesteps // original_inference_steps)
    chosen = np.floor(np.linspace(0, len(grid), steps, endpoint=False)).astype(np.int64)
    # Timesteps count from 0, so the clean latent is at −1.
    t = np.round(start_at_strength(grid[chosen].astype(np.float64), strength)).astype(np.int64) - 1
    if len(t) == 0 or t[0] == 0:
        return FlowSchedule.empty()
    alpha, beta = np.sqrt(alphas[t]), np.sqrt(1 - alphas[t])
    alpha_next, beta_next = np.append(alpha[1:], 1.0), np.append(beta[1:], 0.0)
    zero, one = np.zeros_like(alpha), np.ones_like(alpha)
    # x̂ = x_z·z + x_out·out, and the ideal output = out_x·x + out_n·n.
    x_z, x_out, out_x, out_n = {
        "epsilon": (1 / alpha, -beta / alpha, zero, one),
        "sample": (zero, one, one, zero),
        "v_prediction": (alpha, -beta, -beta, alpha),
    }[prediction_type]
    scaled = t * timestep_scaling
    c_skip = SIGMA_DATA**2 / (scaled**2 + SIGMA_DATA**2)
    c_out = scaled / np.sqrt(scaled**2 + SIGMA_DATA**2)
    return FlowSchedule.from_columns(
        timestep=t.astype(np.float64),
        a=alpha_next * (c_out * x_z + c_skip),
        b=alpha_next * c_out * x_out,
        c=beta_next,
        p=alpha,
        q=beta,
        out_x=out_x,
        out_n=out_n,
        strength=float(strength),
    )


def _check(
    steps: int, prediction_type: str, original_inference_steps: int, timestep_scaling: float, num_train_timesteps: int
) -> None:
    if prediction_type not in PREDICTION_TYPES:
        raise ScheduleError(f"prediction_type is {prediction_type!r}; it is one of {', '.join(PREDICTION_TYPES)}.")
    if not 1 <= original_inference_steps <= num_train_timesteps or original_inference_steps % 1:
        raise ScheduleError(
            f"original_inference_steps is {original_inference_steps}; it must be a whole number from 1 to"
            f" num_train_timesteps, {num_train_timesteps}."
        )
    if steps > original_inference_steps:
        raise ScheduleError(
            f"steps is {steps}; it must be at most original_inference_steps, {original_inference_steps}."
        )
    if not 0 < timestep_scaling < np.inf:
        raise ScheduleError(f"timestep_scaling is {timestep_scaling}; it must be a finite number above 0.")
