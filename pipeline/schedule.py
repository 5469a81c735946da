"""Flow schedules: a solver as a table of affine steps, one row for each network call.

Every first-order solver with one network call a step has the form ``z' = a·z + b·out + c·noise``. The coefficients
``a``, ``b`` and ``c`` depend on the timestep, the next timestep and the model family, never on the data. So a solver is
a `FlowSchedule`, computed once, and the stream needs no code for any particular solver. The functions in
`pipeline.schedules` compute the tables, one module a model family.
"""

import math
import numbers
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from presets.errors import ScheduleError

COLUMNS = ("timestep", "second_time", "input_scale", "a", "b", "c", "p", "q", "out_x", "out_n")
"""Names of the columns of `FlowSchedule.rows`, in order."""

SHORTEST_STEP = 1e-3
"""Shortest first step, as a share of the whole schedule: one training timestep of a thousand."""

Column = Sequence[float] | NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class FlowSchedule:
    """Coefficients of every denoising step of one frame, computed in float64 and kept in float32.

    At each row the network gets ``input_scale·z`` and ``timestep`` (and ``second_time``, in families with two times)
    and returns ``out``. Then ``z' = a·z + b·out + c·n``, with ``n`` unit noise.

    A clean latent ``x`` noised to a row is ``z = p·x + q·n``. A frame enters the schedule this way at row 0. For an
    input on that path an ideal network returns ``out = out_x·x + out_n·n``, which residual guidance uses in place of
    an unconditional call.

    A schedule without rows leaves the latent as it is.
    """

    rows: NDArray[np.float32]
    """float32 ``[N, 10]``, read-only, with the columns of `COLUMNS`."""
    strength: float
    """Strength from 0 (the source is kept) to 1 (pure noise). 0 in a schedule without rows."""
    init_noise_sigma: float = 1.0
    """Standard deviation of the initial noise of a frame without a source, which enters at strength 1."""

    @classmethod
    def from_columns(
        cls,
        *,
        timestep: Column,
        a: Column,
        b: Column,
        p: Column,
        q: Column,
        out_x: Column,
        out_n: Column,
        strength: float,
        c: Column | None = None,
        input_scale: Column | None = None,
        second_time: Column | None = None,
        init_noise_sigma: float = 1.0,
    ) -> "FlowSchedule":
        """Return the table of these columns, each of length N, rounded once to float32.

        Args:
            c: Coefficients of the noise that a stochastic solver adds. None adds none.
            input_scale: Factors of the network's input. None scales nothing.
            second_time: Second time of each row. None for families with one time.

        Raises:
            ScheduleError: the columns have different lengths, or a value is not finite.
        """
        count = len(timestep)
        filled = (
            timestep,
            np.zeros(count) if second_time is None else second_time,
            np.ones(count) if input_scale is None else input_scale,
            a,
            b,
            np.zeros(count) if c is None else c,
            p,
            q,
            out_x,
            out_n,
        )
        columns = [np.asarray(column, dtype=np.float64) for column in filled]
        if len({column.shape for column in columns}) != 1 or columns[0].ndim != 1:
            raise ScheduleError(
                f"The columns of a schedule must have equal lengths; got {[column.shape for column in columns]}."
            )
        with np.errstate(over="ignore"):  # overflow gives infinity, which is refused below
            rows = np.stack(columns, axis=1).astype(np.float32)
        if not (np.isfinite(rows).all() and math.isfinite(init_noise_sigma)):
            raise ScheduleError("The coefficients of a schedule must be finite numbers in float32; one is not.")
        rows.setflags(write=False)
        return cls(rows=rows, strength=strength if count else 0.0, init_noise_sigma=init_noise_sigma)

    @classmethod
    def empty(cls) -> "FlowSchedule":
        """Return a schedule without rows, which leaves the latent as it is."""
        return cls.from_columns(timestep=[], a=[], b=[], p=[], q=[], out_x=[], out_n=[], strength=0.0)

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def entry(self) -> tuple[float, float]:
        """Coefficients ``(p, q)`` of row 0: a clean latent x enters as ``p·x + q·n``. ``(1, 0)`` without rows."""
        return (float(self.rows[0, 6]), float(self.rows[0, 7])) if len(self) else (1.0, 0.0)

    @property
    def timestep(self) -> NDArray[np.float32]:
        """Timesteps in the network's units, float32 ``[N]``."""
        return self.rows[:, 0]

    @property
    def second_time(self) -> NDArray[np.float32]:
        """Second times, float32 ``[N]``; 0 in families with one time."""
        return self.rows[:, 1]

    @property
    def input_scale(self) -> NDArray[np.float32]:
        """Factors of the network's input, float32 ``[N]``."""
        return self.rows[:, 2]

    @property
    def a(self) -> NDArray[np.float32]:
        """Coefficients of the latent, float32 ``[N]``."""
        return self.rows[:, 3]

    @property
    def b(self) -> NDArray[np.float32]:
        """Coefficients of the network's output, float32 ``[N]``."""
        return self.rows[:, 4]

    @property
    def c(self) -> NDArray[np.float32]:
        """Coefficients of the added unit noise, float32 ``[N]``."""
        return self.rows[:, 5]


def check_settings(*, steps: int, strength: float = 1.0, train_timesteps: int = 1) -> None:
    """Check the settings that every model family has.

    Raises:
        ScheduleError: a setting is out of range; the message names it, its value and the range.
    """
    for name, value in (("steps", steps), ("train_timesteps", train_timesteps)):
        if not isinstance(value, numbers.Integral) or value < 1:
            raise ScheduleError(f"{name} is {value!r}; it must be a whole number of 1 or more.")
    if not isinstance(strength, numbers.Real) or not 0 <= strength <= 1:  # also refuses NaN
        raise ScheduleError(
            f"strength is {strength!r}; it must be a number from 0 (keep the source) to 1 (ignore the source)."
        )


def start_at_strength(grid: NDArray[np.float64], strength: float) -> NDArray[np.float64]:
    """Return the times of a run that starts at `strength`: ``strength·grid[0]``, then each grid point below it.

    Strength is continuous, where diffusers' image-to-image rule has one position for each step. Strength 1 is the whole
    grid. A grid point within `SHORTEST_STEP` of the start is left out, and a strength up to `SHORTEST_STEP` gives no
    times.

    Args:
        grid: Falling times ``[N]``, from pure noise towards the clean latent at 0.
        strength: 0 to 1.

    Returns:
        Falling times ``[M]``, M at most N.
    """
    if strength == 1.0:
        return grid
    if strength <= SHORTEST_STEP:
        return grid[:0]
    start = strength * grid[0]
    return np.concatenate([[start], grid[grid < start - SHORTEST_STEP * grid[0]]])


def next_times(times: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the time that each step of `times` ``[N]`` ends at: the next time, and 0 after the last."""
    return np.append(times[1:], 0.0)[: len(times)]
