"""TrigFlow, by which SANA-Sprint's consistency model samples (SCM): the latent turns on a circle."""

import math
from functools import lru_cache

import numpy as np

from pipeline.schedule import FlowSchedule, check_settings
from pipeline.schedules.strength import entered
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
    """The sampler of SANA-Sprint (Chen et al. 2025), as in diffusers' SCMScheduler and SanaSprintPipeline.

    At the angle t, in radians, the latent is ``σ_d·(cos t·x + sin t·n)``; each step goes the whole way to the picture,
    ``cos t·z − sin t·F``, and is noised anew to the next angle. The network itself is one of flow matching: it is given
    ``s = sin t/(sin t + cos t)`` for its time and ``m·z/σ_d`` for its latent, ``m = √(s² + (1 − s)²)``, and answers
    ``n − x``. The pipeline makes F of that, ``F = (1 − 2s)·z + σ_d·m·out``, which is a part of the table here, and so
    is its last division by σ_d: a latent that came in as x goes out in x's units.

    The grid is even in t; two steps are `max_timestep` and `intermediate_timestep`. Strength is a continuous fader on
    the angle: the rows are ``t = strength·max_timestep`` and each grid point below. SANA-Sprint's guidance scale is an
    input of the network, and no part of this.

    Args:
        steps: Network calls from pure noise to a picture, 1 or more.
        strength: 0 (the picture passes through) to 1 (it is forgotten).
        sigma_data: σ_d, the spread of the latents that the model works in, above 0.
        max_timestep: Where the grid begins, above 0 to 1.5708, which is π/2 as the pipeline has it.
        intermediate_timestep: The second of two steps, between 0 and `max_timestep`; None for half.

    Raises:
        ScheduleError: naming the parameter, what came and what is allowed.
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
    at = entered(grid, strength)
    after = np.append(at[1:], 0.0)[: len(at)]
    sine, cosine = np.sin(at), np.cos(at)
    s = sine / (sine + cosine)
    m = np.sqrt(s**2 + (1 - s) ** 2)
    onwards = np.cos(after)
    onwards[-1:] /= sigma_data
    return FlowSchedule.from_columns(
        timestep=s,
        scale=m / sigma_data,
        a=onwards * (cosine - sine * (1 - 2 * s)),
        b=-onwards * sine * sigma_data * m,
        c=sigma_data * np.sin(after),
        p=sigma_data * cosine,
        q=sigma_data * sine,
        out_x=-np.ones_like(at),
        out_n=np.ones_like(at),
        strength=float(strength),
        start=sigma_data,
    )
