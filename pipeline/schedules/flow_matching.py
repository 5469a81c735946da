"""Flow matching: the Euler solver and the stochastic solver, on diffusers' grids of σ."""

import math
from collections.abc import Callable
from functools import lru_cache, partial
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from pipeline.schedule import SHORTEST_STEP, FlowSchedule, check_settings, next_times, start_at_strength
from presets.errors import ScheduleError

Column = NDArray[np.float64]

TimeInput = Literal["timestep", "sigma", "one_minus_sigma"]
"""Time that the network takes as input: train_timesteps·σ (SD3), σ (FLUX) or 1 − σ (Z-Image)."""

TIME_INPUTS: tuple[str, ...] = get_args(TimeInput)

Prediction = Literal["velocity", "sample"]
"""Output of the network: the velocity ``n − x``, or the clean latent ``x``."""

PREDICTIONS: tuple[str, ...] = get_args(Prediction)


@lru_cache(maxsize=1024)
def flow_matching_schedule(
    steps: int,
    strength: float,
    *,
    shift: float = 1.0,
    mu: float | None = None,
    sigmas: Literal["pipeline", "scheduler"] | tuple[float, ...] = "pipeline",
    shift_terminal: float | None = None,
    stochastic: bool = False,
    train_timesteps: int = 1000,
    time_input: TimeInput = "timestep",
    negated: bool = False,
    prediction: Prediction = "velocity",
    second_time: bool = False,
) -> FlowSchedule:
    """Return the solver of a flow-matching model, as in diffusers' FlowMatchEulerDiscreteScheduler.

    The latent is ``(1 − σ)·x + σ·n`` and the network predicts ``n − x``. Euler's step is ``z' = z + (σ' − σ)·out``. A
    network that predicts ``x`` has the velocity ``(z − out)/σ``, so its step is ``z' = σ'/σ·z + (1 − σ'/σ)·out``.
    Strength is continuous and measured before the shift, as diffusers' image-to-image pipelines do when they count
    steps: the rows are the shifted ``σ = strength`` (times the grid's first σ, where that is not 1) and every grid
    point below it. At ``strength = n/steps`` on the pipeline's grid they are the last n steps. A lower strength costs
    fewer network calls.

    Args:
        steps: Network calls from pure noise to the clean latent, 1 or more.
        strength: 0 (the source is kept) to 1 (pure noise).
        shift: Static shift of the model, above 0: ``σ ← shift·σ/(1 + (shift − 1)·σ)``.
        mu: Dynamic shift, which replaces the static one: ``σ ← e^μ/(e^μ + 1/σ − 1)``. It comes from
            `pipeline.schedules.dynamic_shift`.
        sigmas: Grid before the shift. "pipeline" is ``linspace(1, 1/steps, steps)``, which diffusers' pipelines pass to
            their scheduler. "scheduler" is the scheduler's own default: evenly from the largest trained σ to the
            smallest, which already has the static shift. Or `steps` falling numbers above 0 and up to 1.
        shift_terminal: Last σ that the shifted grid is stretched to, between 0 and 1. A grid of one step is pure noise
            and is not stretched.
        stochastic: Predict the clean latent at each step and noise it again to the next σ:
            ``z' = (1 − σ')·(z − σ·out) + σ'·noise``.
        train_timesteps: Number of training timesteps, 1 or more.
        time_input: Time that the network takes as input.
        negated: The network predicts ``x − n``. Velocities only.
        prediction: Output of the network.
        second_time: The network takes the time at which a step ends too, and predicts the average velocity of the step
            (MeanFlow): ``second_time`` is the `timestep` of the next row, and that of σ = 0 in the last.

    Raises:
        ScheduleError: a setting is out of range; the message names it, its value and the range.
    """
    check_settings(steps=steps, strength=strength, train_timesteps=train_timesteps)
    if time_input not in TIME_INPUTS:
        raise ScheduleError(f"time_input is {time_input!r}; it is one of {', '.join(TIME_INPUTS)}.")
    check_prediction(prediction, negated)
    base = _base_grid(steps, sigmas, shift, mu, train_timesteps)
    shifted = _shift(base, shift, mu)
    grid = _stretch(shifted, shift_terminal)
    entry = _shifted_strength(strength, base, shifted, grid, partial(_shift, shift=shift, mu=mu))
    sigma = start_at_strength(grid, entry)
    sigma_next = next_times(sigma)
    outputs = _sample_columns if prediction == "sample" else partial(_velocity_columns, -1.0 if negated else 1.0)
    a, b, out_x, out_n = outputs(sigma, sigma_next, stochastic)

    def times(at: Column) -> Column:
        return {"timestep": train_timesteps * at, "sigma": at, "one_minus_sigma": 1.0 - at}[time_input]

    return FlowSchedule.from_columns(
        timestep=times(sigma),
        second_time=times(sigma_next) if second_time else None,
        a=a,
        b=b,
        c=sigma_next if stochastic else None,
        p=1.0 - sigma,
        q=sigma,
        out_x=out_x,
        out_n=out_n,
        strength=float(strength),
    )


def check_prediction(prediction: str, negated: bool = False) -> None:
    """Raise `ScheduleError` if the prediction is unknown, or negated and no velocity."""
    if prediction not in PREDICTIONS:
        raise ScheduleError(f"prediction is {prediction!r}; it is one of {', '.join(PREDICTIONS)}.")
    if negated and prediction != "velocity":
        raise ScheduleError(f"negated is True with prediction {prediction!r}; only a velocity can be negated.")


def _velocity_columns(
    sign: float, sigma: Column, sigma_next: Column, stochastic: bool
) -> tuple[Column, Column, Column, Column]:
    """Return a, b, out_x and out_n of a network that predicts ``sign·(n − x)``."""
    a = 1.0 - sigma_next if stochastic else np.ones_like(sigma)
    b = -sigma * (1.0 - sigma_next) if stochastic else sigma_next - sigma
    return a, sign * b, np.full_like(sigma, -sign), np.full_like(sigma, sign)


def _sample_columns(sigma: Column, sigma_next: Column, stochastic: bool) -> tuple[Column, Column, Column, Column]:
    """Return a, b, out_x and out_n of a network that predicts the clean latent. σ is above 0 at every row."""
    a = np.zeros_like(sigma) if stochastic else sigma_next / sigma
    return a, 1.0 - (sigma_next if stochastic else a), np.ones_like(sigma), np.zeros_like(sigma)


def _base_grid(
    steps: int, sigmas: str | tuple[float, ...], shift: float, mu: float | None, train_timesteps: int
) -> NDArray[np.float64]:
    """Return the σ ``[steps]`` before the shift. Raises `ScheduleError` if `sigmas` does not fit."""
    if sigmas == "pipeline":
        return np.linspace(1.0, 1.0 / steps, steps)
    if sigmas == "scheduler":
        sigma_min = np.array([1.0 / train_timesteps])
        return np.linspace(1.0, (_shift(sigma_min, shift, None) if mu is None else sigma_min)[0], steps)
    if isinstance(sigmas, str):
        raise ScheduleError(f"sigmas is {sigmas!r}; it is pipeline, scheduler, or numbers.")
    grid = np.asarray(sigmas, dtype=np.float64)
    falling = grid.shape == (steps,) and grid[0] <= 1 and grid[-1] > 0 and (np.diff(grid) < 0).all()
    if not falling:
        raise ScheduleError(f"sigmas is {sigmas}; it must be {steps} numbers, one a step, that fall from 1 towards 0.")
    return grid


def _shift(grid: NDArray[np.float64], shift: float, mu: float | None) -> NDArray[np.float64]:
    """Return `grid` under the dynamic shift `mu` if there is one, else under the static `shift`."""
    if not (shift > 0 and math.isfinite(shift)):
        raise ScheduleError(f"shift is {shift}; it must be a finite number above 0.")
    if mu is None:
        return shift * grid / (1 + (shift - 1) * grid)
    if not -20 <= mu <= 20:
        raise ScheduleError(f"mu is {mu}; it must be a number from -20 to 20.")
    return 1 / (1 + (1 / grid - 1) * math.exp(-mu))


def _shifted_strength(
    strength: float, base: Column, shifted: Column, grid: Column, shift: Callable[[Column], Column]
) -> float:
    """Return the share of the grid's first σ at which a frame enters that begins at `strength` of the base grid.

    Args:
        strength: 0 to 1.
        base: Grid before the shift, ``[steps]``.
        shifted: Grid after `shift`.
        grid: Shifted grid after it was stretched.
        shift: The shift.
    """
    if strength == 1.0 or strength <= SHORTEST_STEP:
        return float(strength)
    entry = shift(np.array([strength * base[0]]))
    if not np.array_equal(shifted, grid):  # A stretch is linear between the points that it moves, and 0 stays.
        entry = np.interp(entry, np.append(shifted, 0.0)[::-1], np.append(grid, 0.0)[::-1])
    # A shift below 1 lowers a strength, but not to none.
    return max(float(entry[0] / grid[0]), math.nextafter(SHORTEST_STEP, 1.0))


def _stretch(grid: NDArray[np.float64], shift_terminal: float | None) -> NDArray[np.float64]:
    """Return `grid` stretched, with 1 kept in place, so that it ends at `shift_terminal`."""
    if shift_terminal is None:
        return grid
    if not 0 < shift_terminal < 1:
        raise ScheduleError(f"shift_terminal is {shift_terminal}; it must lie between 0 and 1, or be None.")
    return grid if grid[-1] == 1 else 1 - (1 - grid) * (1 - shift_terminal) / (1 - grid[-1])
