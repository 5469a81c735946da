"""PeRFlow: a piecewise rectified flow, straight in each time window."""

from functools import lru_cache
from typing import Literal, get_args

import numpy as np

from pipeline.schedule import SHORTEST_STEP, FlowSchedule, check_settings
from pipeline.schedules.alphas import BetaSchedule, alphas_cumprod
from pipeline.schedules.perflow_windows import (
    BOUNDARY_TOLERANCE,
    ROUNDING,
    FloatArray,
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
    """Return the solver of PeRFlow (Yan et al. 2024), with the settings of the authors' scheduler.

    The path of a frame is straight in each of K windows. Each row moves a latent on that path to the next time; inside
    a window this is the authors' ``z' = z + dt·(A·z + B·out)``, see `pipeline.schedules.perflow_windows`. The last
    window ends one training timestep above the clean latent, at ``ᾱ[0]``, as in training.

    Rule "continuous", the default:

    * Strength is continuous: the rows are ``t = strength·T`` and every grid point below it. A frame that enters inside
      a window is a mix of the window's two ends with the same noise. A frame that would enter up to 1/T above a grid
      point or a boundary enters at that point.
    * With fewer steps than windows, each step crosses one wider window, with that window's λ and η. The output is
      first interpreted in the narrow window that the network was trained on: in each of those `diff_eps` is a
      different multiple of the noise, and `velocity` a different line.
    * The network gets the authors' integer timesteps at grid points, and strength·T, not rounded, at an entry between
      them. A boundary that is no integer timestep (3, 6, 7, 9 … windows) is met exactly, so no step crosses it. The
      authors' truncation crosses it by up to 0.9/T.

    Rule "diffusers" reproduces the authors' scheduler in a diffusers pipeline, for comparison: steps are raised to the
    number of windows, all timesteps are truncated, and image-to-image enters at row ``steps − int(steps·strength)``
    with ``√ᾱ`` of that timestep, even inside a window. The last step ends at 0, whatever `t_clean` is.

    Args:
        steps: Network calls from pure noise to the clean latent, 1 to `num_train_timesteps`.
        strength: 0 (the source is kept) to 1 (pure noise).
        prediction_type: Output of the network: ddim_eps for SDXL, diff_eps for SD1.5, velocity for SD2.1.
        num_time_windows: K. See `pipeline.schedules.perflow_windows.time_windows`, also for `t_noise` and `t_clean`.
        num_train_timesteps: T. See `pipeline.schedules.alphas.alphas_cumprod`, also for the β settings.
        rule: "continuous" or "diffusers".

    Raises:
        ScheduleError: a setting is out of range; the message names it, its value and the range.
    """
    check_settings(steps=steps, strength=strength, train_timesteps=num_train_timesteps)
    check_prediction_type(prediction_type)
    if rule not in RULES:
        raise ScheduleError(f"rule is {rule!r}; it is one of {', '.join(RULES)}.")
    if steps > num_train_timesteps:
        raise ScheduleError(f"steps is {steps}; it must be at most num_train_timesteps, {num_train_timesteps}.")
    alphas = alphas_cumprod(num_train_timesteps, beta_start, beta_end, beta_schedule)
    windows = time_windows(alphas, num_time_windows, t_noise, t_clean)
    if rule == "diffusers":
        return _diffusers_schedule(windows, alphas, steps, float(strength), prediction_type)
    times, timesteps = _start_at_strength(windows, *_grid(windows, steps), strength)
    p, q = windows.path(np.append(times, windows.ends[-1]))
    out_x, out_n = windows.ideal_output(times, prediction_type)
    # Solve a·z + b·out = p'·x + q'·n for all x and n, where z = p·x + q·n and out = out_x·x + out_n·n.
    determinant = p[:-1] * out_n - q[:-1] * out_x
    return FlowSchedule.from_columns(
        timestep=timesteps,
        a=(p[1:] * out_n - q[1:] * out_x) / determinant,
        b=(p[:-1] * q[1:] - q[:-1] * p[1:]) / determinant,
        p=p[:-1],
        q=q[:-1],
        out_x=out_x,
        out_n=out_n,
        strength=float(strength),
    )


def _grid(windows: TimeWindows, steps: int) -> tuple[FloatArray, FloatArray]:
    """Return falling times and the network's timestep at each. Boundaries are exact, times between them truncated."""
    total = windows.train_timesteps
    if steps < len(windows):
        times = np.linspace(windows.starts[0], windows.ends[-1], steps, endpoint=False)
        timesteps = np.floor(times * total + ROUNDING)
    else:
        times, timesteps = windows.grid(steps), windows.timesteps(steps).astype(np.float64)
    on_boundary = np.abs(times[:, None] - windows.starts).min(axis=1) * total < ROUNDING
    exact = np.where(on_boundary, times, timesteps / total)
    # With very many steps a timestep repeats, or is truncated to the boundary below. Those rows are dropped.
    distinct = on_boundary | (exact > windows.ends[windows.index_at(times)] + ROUNDING / total)
    _, first = np.unique(-exact[distinct], return_index=True)
    return exact[distinct][first], timesteps[distinct][first]


def _start_at_strength(
    windows: TimeWindows, times: FloatArray, timesteps: FloatArray, strength: float
) -> tuple[FloatArray, FloatArray]:
    """Return the entry at `strength` and the grid points below it, as times and the network's timesteps."""
    if strength == 1.0:
        return times, timesteps
    if strength <= SHORTEST_STEP:
        return times[:0], timesteps[:0]
    total, end = windows.train_timesteps, windows.ends[-1]
    entry = end + strength * (windows.starts[0] - end)
    if (entry - end) * total <= BOUNDARY_TOLERANCE + ROUNDING:  # in no window; possible for T below 100
        return times[:0], timesteps[:0]
    entry_timestep = total * entry
    stops = np.append(times, windows.starts)
    above = (entry - stops) * total
    near = np.flatnonzero((above > -ROUNDING) & (above <= 1))
    if len(near):
        nearest = near[above[near].argmin()]
        entry = stops[nearest]
        entry_timestep = np.append(timesteps, np.floor(windows.starts * total + ROUNDING))[nearest]
    below = times < entry - ROUNDING / total
    return np.append(entry, times[below]), np.append(entry_timestep, timesteps[below])


def _diffusers_schedule(
    windows: TimeWindows, alphas: FloatArray, steps: int, strength: float, prediction_type: PredictionType
) -> FlowSchedule:
    """Return the schedule by rule "diffusers"."""
    timesteps = windows.timesteps(steps)[steps - min(int(steps * strength), steps) :]
    if strength == 0 or len(timesteps) == 0:
        return FlowSchedule.empty()
    times = timesteps / windows.train_timesteps
    dt = np.append(times[1:], 0.0) - times
    A, B = windows.velocity(times, prediction_type)
    out_x, out_n = windows.ideal_output(times, prediction_type)
    return FlowSchedule.from_columns(
        timestep=timesteps.astype(np.float64),
        a=1 + dt * A,
        b=dt * B,
        p=np.sqrt(alphas[timesteps - 1]),
        q=np.sqrt(1 - alphas[timesteps - 1]),
        out_x=out_x,
        out_n=out_n,
        strength=strength,
    )
