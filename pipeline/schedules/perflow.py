"""PeRFlow: a flow of straight pieces, one a time window."""

from functools import lru_cache
from typing import Literal, get_args

import numpy as np

from pipeline.schedule import FlowSchedule, check_settings
from pipeline.schedules.alphas import BetaSchedule, alphas_cumprod
from pipeline.schedules.strength import SHORTEST_STEP
from pipeline.schedules.windows import (
    HAIR,
    TOLERANCE,
    Numbers,
    PredictionType,
    TimeWindows,
    check_prediction_type,
    time_windows,
)
from presets.errors import ScheduleError

Rule = Literal["continuous", "diffusers"]
RULES: tuple[str, ...] = get_args(Rule)


@lru_cache(maxsize=1024)
def perflow_schedule(
    steps: int,
    strength: float,
    *,
    prediction_type: PredictionType = "ddim_eps",
    num_time_windows: int = 4,
    num_train_timesteps: int = 1000,
    beta_start: float = 0.00085,
    beta_end: float = 0.012,
    beta_schedule: BetaSchedule = "scaled_linear",
    t_noise: float = 1.0,
    t_clean: float = 0.0,
    rule: Rule = "continuous",
) -> FlowSchedule:
    """The solver of PeRFlow (Yan et al. 2024), by the settings of its own scheduler.

    The path of a picture is straight in each of K windows. Every row is the one affine step that takes a latent on that
    path to where the path is next: inside a window that is the original's ``z + dt·(A·z + B·out)``, see
    `pipeline.schedules.windows`. The last window ends one training timestep above the clean picture, at ``ᾱ[0]``, and
    so does the solver, as the model was trained.

    Rule "continuous", ours:

    * Strength is a continuous fader: the rows are ``t = strength·T``, then every grid point below. A picture that
      enters inside a window is a mix of the window's ends with the same noise. One that would enter up to 1/T above a
      grid point or boundary enters there.
    * Fewer steps than windows: as many wider windows as steps; one step is one window over everything. Each call
      crosses a wider window with that window's λ and η, its answer first taken for what it is in the narrow one that
      the network learned: in each of those `diff_eps` is another multiple of the noise, and `velocity` another line.
    * The network is given the original's timesteps, whole numbers, at grid points, and strength·T as it is at an entry
      between them. Boundaries that are no whole timesteps (3, 6, 7, 9 … windows) are stood at exactly: no step crosses
      one, where the original's truncation crosses by up to 0.9/T.

    Rule "diffusers", for comparison, is the original's scheduler in an unmodified diffusers pipeline: steps raised to
    the number of windows, all timesteps truncated, and image-to-image entered at row ``steps − int(steps·strength)``
    with ``√ᾱ`` of that timestep, wherever in a window it lies; the last step goes to 0 whatever `t_clean` is.

    Args:
        steps: Network calls from pure noise to a picture, 1 to `num_train_timesteps`.
        strength: 0 (the picture passes through) to 1 (it is forgotten).
        prediction_type: What the network predicts; ddim_eps for SDXL, diff_eps for SD1.5, velocity for SD2.1.
        num_time_windows: K, with `t_noise` and `t_clean` as `pipeline.schedules.windows` has them.
        num_train_timesteps: T, with the three of the β as `pipeline.schedules.alphas` has them.
        rule: "continuous" or "diffusers".

    Raises:
        ScheduleError: naming the parameter, what came and what is allowed.
    """
    check_settings(steps=steps, strength=strength, train_timesteps=num_train_timesteps)
    check_prediction_type(prediction_type)
    if rule not in RULES:
        raise ScheduleError(f"rule is {rule!r}; it is one of {', '.join(RULES)}.")
    if steps > num_train_timesteps:
        raise ScheduleError(f"steps is {steps}; it must be at most num_train_timesteps, {num_train_timesteps}.")
    kept = alphas_cumprod(num_train_timesteps, beta_start, beta_end, beta_schedule)
    windows = time_windows(kept, num_time_windows, t_noise, t_clean)
    if rule == "diffusers":
        return _as_diffusers(windows, kept, steps, float(strength), prediction_type)
    at, timesteps = _entered(windows, *_grid(windows, steps), strength)
    p, q = windows.path(np.append(at, windows.ends[-1]))
    out_x, out_n = windows.answers(at, prediction_type)
    # z = p·x + q·n and out = out_x·x + out_n·n, solved for the a·z + b·out that is p'·x + q'·n for all x and n.
    span = p[:-1] * out_n - q[:-1] * out_x
    return FlowSchedule.from_columns(
        timestep=timesteps,
        a=(p[1:] * out_n - q[1:] * out_x) / span,
        b=(p[:-1] * q[1:] - q[:-1] * p[1:]) / span,
        p=p[:-1],
        q=q[:-1],
        out_x=out_x,
        out_n=out_n,
        strength=float(strength),
    )


def _grid(windows: TimeWindows, steps: int) -> tuple[Numbers, Numbers]:
    """Times, falling, and the timestep that the network is given at each: boundaries exact, between them truncated."""
    total = windows.train_timesteps
    if steps < len(windows):
        times = np.linspace(windows.starts[0], windows.ends[-1], steps, endpoint=False)
        timesteps = np.floor(times * total + HAIR)
    else:
        times, timesteps = windows.grid(steps), windows.timesteps(steps).astype(np.float64)
    on_boundary = np.abs(times[:, None] - windows.starts).min(axis=1) * total < HAIR
    stands = np.where(on_boundary, times, timesteps / total)
    # So many steps that a timestep repeats, or falls on the boundary below it, are fewer.
    apart = on_boundary | (stands > windows.ends[windows.look_up(times)] + HAIR / total)
    _, first = np.unique(-stands[apart], return_index=True)
    return stands[apart][first], timesteps[apart][first]


def _entered(windows: TimeWindows, times: Numbers, timesteps: Numbers, strength: float) -> tuple[Numbers, Numbers]:
    """The rows from `strength` on: the grid below it, and at its head where the picture enters."""
    if strength == 1.0:
        return times, timesteps
    if strength <= SHORTEST_STEP:
        return times[:0], timesteps[:0]
    total, end = windows.train_timesteps, windows.ends[-1]
    entry = end + strength * (windows.starts[0] - end)
    if (entry - end) * total <= TOLERANCE + HAIR:  # so near the last end that no window holds it, as T under 100 has it
        return times[:0], timesteps[:0]
    stops = np.append(times, windows.starts)
    above = (entry - stops) * total
    near = np.flatnonzero((above > -HAIR) & (above <= 1))
    head = total * entry
    if len(near):
        stop = near[above[near].argmin()]
        entry = stops[stop]
        head = np.append(timesteps, np.floor(windows.starts * total + HAIR))[stop]
    below = times < entry - HAIR / total
    return np.append(entry, times[below]), np.append(head, timesteps[below])


def _as_diffusers(
    windows: TimeWindows, kept: Numbers, steps: int, strength: float, prediction_type: PredictionType
) -> FlowSchedule:
    timesteps = windows.timesteps(steps)[steps - min(int(steps * strength), steps) :]
    if strength == 0 or len(timesteps) == 0:
        return FlowSchedule.passing_through()
    at = timesteps / windows.train_timesteps
    dt = np.append(at[1:], 0.0) - at
    A, B = windows.velocity(at, prediction_type)
    out_x, out_n = windows.answers(at, prediction_type)
    return FlowSchedule.from_columns(
        timestep=timesteps.astype(np.float64),
        a=1 + dt * A,
        b=dt * B,
        p=np.sqrt(kept[timesteps - 1]),
        q=np.sqrt(1 - kept[timesteps - 1]),
        out_x=out_x,
        out_n=out_n,
        strength=strength,
    )
