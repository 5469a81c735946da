"""Latent consistency models, for comparison with flows."""

from functools import lru_cache
from typing import Literal, get_args

import numpy as np

from pipeline.schedule import FlowSchedule, check_settings
from pipeline.schedules.alphas import BetaSchedule, alphas_cumprod
from pipeline.schedules.strength import entered
from presets.errors import ScheduleError

PredictionType = Literal["epsilon", "sample", "v_prediction"]
PREDICTION_TYPES: tuple[str, ...] = get_args(PredictionType)

SIGMA_DATA = 0.5
"""Of the boundary condition, in Luo et al. and in diffusers."""


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
    """The sampler of latent consistency models (Luo et al. 2023), as in diffusers' LCMScheduler.

    With ``α = √ᾱ[t]`` and ``β = √(1 − ᾱ[t])`` the latent is ``α·x + β·n``. The network's answer points to a picture,
    ``(z − β·out)/α`` where it predicts noise; boundary conditions mix that with z, ``c_out`` and ``c_skip`` of
    ``t·timestep_scaling``; the result is noised anew to the next timestep, and at the last row not at all.

    The timesteps are those of diffusers: `steps` of the `original_inference_steps` that the model was distilled on.
    Strength is a continuous fader and not diffusers' (which packs all the steps into a shorter way): the rows are the
    timestep strength·T, to the nearest, and every grid point below it.

    Args:
        steps: Network calls from pure noise to a picture, 1 to `original_inference_steps`.
        strength: 0 (the picture passes through) to 1 (it is forgotten).
        prediction_type: The network answers the noise, the picture, or ``α·n − β·x``.
        original_inference_steps: Up to `num_train_timesteps`.
        timestep_scaling: Of the boundary conditions, above 0.
        num_train_timesteps: T, with the three of the β as `pipeline.schedules.alphas` has them.

    Raises:
        ScheduleError: naming the parameter, what came and what is allowed.
    """
    check_settings(steps=steps, strength=strength, train_timesteps=num_train_timesteps)
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
    kept = alphas_cumprod(num_train_timesteps, beta_start, beta_end, beta_schedule)
    counts = np.arange(original_inference_steps, 0, -1) * (num_train_timesteps // original_inference_steps)
    chosen = np.floor(np.linspace(0, len(counts), steps, endpoint=False)).astype(np.int64)
    # Timesteps count from 0: the picture itself is one below.
    at = np.round(entered(counts[chosen].astype(np.float64), strength)).astype(np.int64) - 1
    if len(at) == 0 or at[0] == 0:
        return FlowSchedule.passing_through()
    alpha, beta = np.sqrt(kept[at]), np.sqrt(1 - kept[at])
    next_alpha, next_beta = np.append(alpha[1:], 1.0), np.append(beta[1:], 0.0)
    none, one = np.zeros_like(alpha), np.ones_like(alpha)
    # The picture that the answer points to, in parts of z and out; and the answer, in parts of x and n.
    of_z, of_out, out_x, out_n = {
        "epsilon": (1 / alpha, -beta / alpha, none, one),
        "sample": (none, one, one, none),
        "v_prediction": (alpha, -beta, -beta, alpha),
    }[prediction_type]
    scaled = at * timestep_scaling
    c_skip = SIGMA_DATA**2 / (scaled**2 + SIGMA_DATA**2)
    c_out = scaled / np.sqrt(scaled**2 + SIGMA_DATA**2)
    return FlowSchedule.from_columns(
        timestep=at.astype(np.float64),
        a=next_alpha * (c_out * of_z + c_skip),
        b=next_alpha * c_out * of_out,
        c=next_beta,
        p=alpha,
        q=beta,
        out_x=out_x,
        out_n=out_n,
        strength=float(strength),
    )
