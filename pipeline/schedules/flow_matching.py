"""Flow matching: Euler's solver and the one that adds noise anew, on diffusers' grids of σ."""

import math
from functools import lru_cache
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from pipeline.schedule import FlowSchedule, check_settings
from pipeline.schedules.strength import entered
from presets.errors import ScheduleError

Given = Literal["timestep", "sigma", "remaining"]
"""What the network is told of the time: train_timesteps·σ, σ itself, or 1 − σ."""

GIVEN: tuple[str, ...] = get_args(Given)


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
    given: Given = "timestep",
    negated: bool = False,
) -> FlowSchedule:
    """The solver of a flow-matching model, as in diffusers' FlowMatchEulerDiscreteScheduler.

    The latent is ``(1 − σ)·x + σ·n`` and the network answers ``n − x``. Strength is a continuous fader: the rows are
    ``σ = strength`` (of the grid's first σ, where that is not 1), each grid point below it, and the end, 0. So
    ``strength=1`` is the whole grid from pure noise and a lower one costs fewer network calls.

    Args:
        steps: Network calls from pure noise to a picture, 1 or more.
        strength: 0 (the picture passes through) to 1 (it is forgotten).
        shift: The model's own static shift, ``σ ← shift·σ/(1 + (shift − 1)·σ)``, above 0.
        mu: The dynamic shift, ``σ ← e^μ/(e^μ + 1/σ − 1)``, in place of the static one, as in diffusers; for FLUX from
            `linear_mu` or `empirical_mu`.
        sigmas: The grid before the shift. "pipeline": ``linspace(1, 1/steps, steps)``, which diffusers' pipelines hand
            to their scheduler. "scheduler": what the scheduler makes itself if they do not, evenly from the largest
            trained σ to the smallest, already under the static shift. Or `steps` numbers, falling, above 0 to 1.
        shift_terminal: The σ that the shifted grid is stretched to end at, between 0 and 1. A grid of pure noise alone
            (one step) can't be stretched, and stays.
        stochastic: From each answer the whole way to the picture, then noised anew to the next σ.
        train_timesteps: The timesteps from picture to noise, 1 or more.
        given: What the network is told of the time.
        negated: The network answers ``x − n``.

    Raises:
        ScheduleError: naming the parameter, what came and what is allowed.
    """
    check_settings(steps=steps, strength=strength, train_timesteps=train_timesteps)
    if given not in GIVEN:
        raise ScheduleError(f"given is {given!r}; it is one of {', '.join(GIVEN)}.")
    grid = _terminated(_shifted(_raw(steps, sigmas, shift, mu, train_timesteps), shift, mu), shift_terminal)
    at = entered(grid, strength)
    after = np.append(at[1:], 0.0)[: len(at)]
    sign = -1.0 if negated else 1.0
    return FlowSchedule.from_columns(
        timestep={"timestep": train_timesteps * at, "sigma": at, "remaining": 1.0 - at}[given],
        a=1.0 - after if stochastic else np.ones_like(at),
        b=sign * (-at * (1.0 - after) if stochastic else after - at),
        c=after if stochastic else None,
        p=1.0 - at,
        q=at,
        out_x=np.full_like(at, -sign),
        out_n=np.full_like(at, sign),
        strength=float(strength),
    )


def linear_mu(
    tokens: int, *, base_tokens: int = 256, most_tokens: int = 4096, base_shift: float = 0.5, most_shift: float = 1.15
) -> float:
    """μ of FLUX.1-dev and of SD3 with dynamic shift: a line through two lengths of the image's token sequence.

    Args:
        tokens: Image tokens; of FLUX, one for each 16 × 16 pixels.

    Raises:
        ScheduleError: two lengths that are the same.
    """
    if base_tokens == most_tokens:
        raise ScheduleError(f"base_tokens and most_tokens are both {base_tokens}; a line needs two lengths.")
    return base_shift + (most_shift - base_shift) * (tokens - base_tokens) / (most_tokens - base_tokens)


def empirical_mu(tokens: int, steps: int) -> float:
    """μ of FLUX.2 and FLUX.2-klein: lines fitted at 10 and at 200 steps, mixed by `steps`; past 4300 tokens the latter.

    The constants are those of `compute_empirical_mu` in diffusers' pipelines.
    """
    at_200 = 0.00016927 * tokens + 0.45666666
    if tokens > 4300:
        return at_200
    at_10 = 8.73809524e-05 * tokens + 1.89833333
    return at_10 + (at_200 - at_10) * (steps - 10) / 190


def _raw(
    steps: int, sigmas: str | tuple[float, ...], shift: float, mu: float | None, train_timesteps: int
) -> NDArray[np.float64]:
    """The grid ``[steps]`` before the shift."""
    if sigmas == "pipeline":
        return np.linspace(1.0, 1.0 / steps, steps)
    if sigmas == "scheduler":
        least = np.array([1.0 / train_timesteps])
        return np.linspace(1.0, (_shifted(least, shift, None) if mu is None else least)[0], steps)
    if isinstance(sigmas, str):
        raise ScheduleError(f"sigmas is {sigmas!r}; it is pipeline, scheduler, or numbers.")
    grid = np.asarray(sigmas, dtype=np.float64)
    falling = grid.shape == (steps,) and grid[0] <= 1 and grid[-1] > 0 and (np.diff(grid) < 0).all()
    if not falling:
        raise ScheduleError(f"sigmas is {sigmas}; it must be {steps} numbers, one a step, that fall from 1 towards 0.")
    return grid


def _shifted(grid: NDArray[np.float64], shift: float, mu: float | None) -> NDArray[np.float64]:
    if not (shift > 0 and math.isfinite(shift)):
        raise ScheduleError(f"shift is {shift}; it must be a finite number above 0.")
    if mu is None:
        return shift * grid / (1 + (shift - 1) * grid)
    if not -20 <= mu <= 20:
        raise ScheduleError(f"mu is {mu}; it must be a number from -20 to 20.")
    return 1 / (1 + (1 / grid - 1) * math.exp(-mu))


def _terminated(grid: NDArray[np.float64], shift_terminal: float | None) -> NDArray[np.float64]:
    if shift_terminal is None:
        return grid
    if not 0 < shift_terminal < 1:
        raise ScheduleError(f"shift_terminal is {shift_terminal}; it must lie between 0 and 1, or be None.")
    return grid if grid[-1] == 1 else 1 - (1 - grid) * (1 - shift_terminal) / (1 - grid[-1])
