"""MeanFlow: a network of average velocities, which is told where each step ends."""

from functools import lru_cache

import numpy as np

from pipeline.schedule import FlowSchedule, check_settings
from pipeline.schedules.strength import entered


@lru_cache(maxsize=1024)
def meanflow_schedule(steps: int, strength: float, *, train_timesteps: int = 1) -> FlowSchedule:
    """The sampler of MeanFlow (Geng et al. 2025, equation 12): ``z_r = z_t − (t − r)·u(z_t, r, t)``.

    The latent is ``(1 − t)·x + t·n`` and u the average of ``n − x`` between t and r, so that one step is a whole
    sampler. The grid is even; `timestep` is t and `second` r, the next row's t and 0 at the last. Strength is a
    continuous fader, as in `pipeline.schedules.flow_matching`.

    Args:
        steps: Network calls from pure noise to a picture, 1 or more.
        strength: 0 (the picture passes through) to 1 (it is forgotten).
        train_timesteps: The network is given this times t and r; 1 in the paper.

    Raises:
        ScheduleError: naming the parameter, what came and what is allowed.
    """
    check_settings(steps=steps, strength=strength, train_timesteps=train_timesteps)
    at = entered(np.linspace(1.0, 1.0 / steps, steps), strength)
    after = np.append(at[1:], 0.0)[: len(at)]
    return FlowSchedule.from_columns(
        timestep=train_timesteps * at,
        second=train_timesteps * after,
        a=np.ones_like(at),
        b=after - at,
        p=1.0 - at,
        q=at,
        out_x=-np.ones_like(at),
        out_n=np.ones_like(at),
        strength=float(strength),
    )
