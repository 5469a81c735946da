"""TrigFlow, the parameterisation in which SANA-Sprint's consistency model (SCM) samples."""

import math
from functools import lru_cache

import numpy as np

from pipeline.schedule import FlowSchedule, check_settings, next_times, start_at_strength
from presets.errors import ScheduleError


@lru_cache(maxsize=1024)
def trigflow_schedule(
    steps: int,
    strength: float,
    *,
    sigma_data: float = 0.5,
    max_timestep: float = 1.5708,
    intermediate_timestep: float | None = 1.3,
) -> FlowSchedule:
    """Return the sampler of SANA-Sprint (Chen et al. 2025), as in diffusers' SCMScheduler and SanaSprintPipeline.

    At the angle t, in radians, the latent is ``z = σ_d·(cos t·x + sin t·n)``. Each step predicts the clean latent,
    ``cos t·z − sin t·F``, and adds noise to reach the next angle.

    The network itself is a flow-matching model. Its time is ``s = sin t/(sin t + cos t)``, its input ``m·z/σ_d`` with
    ``m = √(s² + (1 − s)²)``, and it predicts ``n − x``. The table includes the pipeline's conversion
    ``F = (1 − 2s)·z + σ_d·m·out`` and its last division by σ_d, so the result has the units of the source latent.

    The grid is even in t; a run of two steps uses `max_timestep` and `intermediate_timestep`. Strength is continuous in
    the angle: the rows are ``t = strength·max_timestep`` and every grid point below it. The guidance scale is an input
    of the network and has no part in the schedule.

    Args:
        steps: Network calls from pure noise to the clean latent, 1 or more.
        strength: 0 (the source is kept) to 1 (pure noise).
        sigma_data: σ_d, the standard deviation of the model's latents, above 0.
        max_timestep: First angle, above 0 and up to 1.5708, the pipeline's π/2.
        intermediate_timestep: Second angle of a run of two steps, between 0 and `max_timestep`. None for half of it.

    Raises:
        ScheduleError: a setting is out of range; the message names it, its value and the range.
    """
    check_settings(steps=steps, strength=strength)
    if not (sigma_data > 0 and math.isfinite(sigma_data)):
        raise ScheduleError(f"sigma_data is {sigma_data}; it must be a finite number above 0.")
    if not 0 < max_timestep <= 1.5708:
        raise ScheduleError(f"max_timestep is {max_timestep}; it must be an angle above 0 and up to 1.5708.")
    if intermediate_timestep is not None and not 0 < intermediate_timestep < max_timestep:
        raise ScheduleError(
            f"intermediate_timestep is {intermediate_timestep}; it must be an angle between 0 and max_timestep,"
            f" {max_timestep}, or None."
        )
    grid = np.linspace(max_timestep, 0.0, steps + 1)[:-1]
    if steps == 2 and intermediate_timestep is not None:
        grid[1] = intermediate_timestep
    t = start_at_strength(grid, strength)
    t_next = next_times(t)
    sin, cos = np.sin(t), np.cos(t)
    s = sin / (sin + cos)
    m = np.sqrt(s**2 + (1 - s) ** 2)
    cos_next = np.cos(t_next)
    cos_next[-1:] /= sigma_data
    return FlowSchedule.from_columns(
        timestep=s,
        input_scale=m / sigma_data,
        a=cos_next * (cos - sin * (1 - 2 * s)),
        b=-cos_next * sin * sigma_data * m,
        c=sigma_data * np.sin(t_next),
        p=sigma_data * cos,
        q=sigma_data * sin,
        out_x=-np.ones_like(t),
        out_n=np.ones_like(t),
        strength=float(strength),
        init_noise_sigma=sigma_data,
    )
