"""InstaFlow and MeanFlow: flows that one network call can cross, solved by Euler's method on an even grid."""

from functools import lru_cache

import numpy as np

from pipeline.schedule import FlowSchedule, check_settings, next_times, start_at_strength
from pipeline.schedules.flow_matching import flow_matching_schedule


def instaflow_schedule(steps: int, strength: float, *, train_timesteps: int = 1000) -> FlowSchedule:
    """Return the solver of InstaFlow and 2-rectified flow (Liu et al. 2023, `code/pipeline_rf.py`).

    ``z' = z + v/steps`` at the timesteps ``1000·(1 − i/steps)``. The latent is ``(1 − t)·x + t·n`` and the network
    predicts ``v = x − n``. InstaFlow-0.9B takes one step without guidance, 2-rectified flow 2 to 8 steps.

    Args:
        steps: Network calls from pure noise to the clean latent, 1 or more.
        strength: 0 (the source is kept) to 1 (pure noise), continuous; see `pipeline.schedule.start_at_strength`.
        train_timesteps: The network gets ``train_timesteps·t``.

    Raises:
        ScheduleError: a setting is out of range.
    """
    return flow_matching_schedule(steps, strength, train_timesteps=train_timesteps, negated=True)


@lru_cache(maxsize=1024)
def meanflow_schedule(steps: int, strength: float, *, train_timesteps: int = 1) -> FlowSchedule:
    """Return the sampler of MeanFlow (Geng et al. 2025, equation 12): ``z_r = z_t − (t − r)·u(z_t, r, t)``.

    The latent is ``(1 − t)·x + t·n`` and the network predicts u, the average of ``n − x`` between the times t and r.
    ``timestep`` is t and ``second_time`` is r: the t of the next row, and 0 in the last.

    Args:
        steps: Network calls from pure noise to the clean latent, 1 or more.
        strength: 0 (the source is kept) to 1 (pure noise), continuous; see `pipeline.schedule.start_at_strength`.
        train_timesteps: The network gets ``train_timesteps·t`` and ``train_timesteps·r``. 1 in the paper.

    Raises:
        ScheduleError: a setting is out of range.
    """
    check_settings(steps=steps, strength=strength, train_timesteps=train_timesteps)
    t = start_at_strength(np.linspace(1.0, 1.0 / steps, steps), strength)
    r = next_times(t)
    return FlowSchedule.from_columns(
        timestep=train_timesteps * t,
        second_time=train_timesteps * r,
        a=np.ones_like(t),
        b=r - t,
        p=1.0 - t,
        q=t,
        out_x=-np.ones_like(t),
        out_n=np.ones_like(t),
        strength=float(strength),
    )
