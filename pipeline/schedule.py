"""Flow schedules: a solver as a table of affine steps, one row a network call.

Every first-order, one-call solver of a flow takes ``z' = a·z + b·out + c·noise`` where ``a``, ``b`` and ``c`` depend on
the timestep, the next one and the model family, never on the data. So a solver is not code in the hot path but a
`FlowSchedule`; a family of models is a function that returns one (`pipeline.schedules`).
"""

import math
import numbers
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from presets.errors import ScheduleError

COLUMNS = ("timestep", "second", "scale", "a", "b", "c", "p", "q", "out_x", "out_n")
"""What a row holds, in the order of `FlowSchedule.rows`."""

Column = Sequence[float] | NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class FlowSchedule:
    """How one picture is drawn from where it enters; computed in float64, kept in float32, never changed.

    At a row the network is given ``scale·z`` and ``timestep`` (with ``second``, where a family has two times), and
    answers ``out``; then ``z' = a·z + b·out + c·n`` with ``n`` unit noise. A clean latent ``x`` stands at that row as
    ``z = p·x + q·n``, and is entered so at the first one; a network that saw only that path would answer
    ``out_x·x + out_n·n``, which is what residual guidance takes in place of an unconditional call. With no rows the
    picture passes through.
    """

    rows: NDArray[np.float32]
    """float32 ``[N, 10]``, read-only: the columns of `COLUMNS`."""
    strength: float
    """How far the picture leaves its source, 0 to 1; 0 with no rows."""
    start: float = 1.0
    """At strength 1 a picture may come without a source; it enters as ``start·n``."""

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
        scale: Column | None = None,
        second: Column | None = None,
        start: float = 1.0,
    ) -> "FlowSchedule":
        """The table of the columns given, each of length N, rounded to float32 once, here.

        Without `c` the solver adds no noise, without `scale` the network is given z itself, and without `second` it
        has one time.

        Raises:
            ScheduleError: columns of unequal length, or a value that is not finite.
        """
        count = len(timestep)
        filled = (
            timestep,
            np.zeros(count) if second is None else second,
            np.ones(count) if scale is None else scale,
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
                f"The columns of a schedule must be equally long; got {[column.shape for column in columns]}."
            )
        with np.errstate(over="ignore"):  # becomes infinite, and is refused as such
            rows = np.stack(columns, axis=1).astype(np.float32)
        if not (np.isfinite(rows).all() and math.isfinite(start)):
            raise ScheduleError("A schedule must be made of finite numbers; one of its coefficients is not.")
        rows.setflags(write=False)
        return cls(rows=rows, strength=strength if count else 0.0, start=start)

    @classmethod
    def passing_through(cls) -> "FlowSchedule":
        """No row at all: the picture stays as it came."""
        return cls.from_columns(timestep=[], a=[], b=[], p=[], q=[], out_x=[], out_n=[], strength=0.0)

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def entry(self) -> tuple[float, float]:
        """``(p, q)``: a clean latent x enters as ``p·x + q·n``; 1 and 0 where it passes through."""
        return (float(self.rows[0, 6]), float(self.rows[0, 7])) if len(self) else (1.0, 0.0)

    @property
    def timestep(self) -> NDArray[np.float32]:
        """float32 ``[N]``, as the network wants it."""
        return self.rows[:, 0]

    @property
    def second(self) -> NDArray[np.float32]:
        """float32 ``[N]``: the second time, of families that have one; 0 elsewhere."""
        return self.rows[:, 1]

    @property
    def scale(self) -> NDArray[np.float32]:
        """float32 ``[N]``: what the latent is multiplied with on its way into the network."""
        return self.rows[:, 2]

    @property
    def a(self) -> NDArray[np.float32]:
        """float32 ``[N]``: how much of the latent stays."""
        return self.rows[:, 3]

    @property
    def b(self) -> NDArray[np.float32]:
        """float32 ``[N]``: how much of the network's output is added."""
        return self.rows[:, 4]

    @property
    def c(self) -> NDArray[np.float32]:
        """float32 ``[N]``: how much unit noise is added."""
        return self.rows[:, 5]


def check_settings(*, steps: int, strength: float = 1.0, train_timesteps: int = 1) -> None:
    """What every family asks of its settings.

    Raises:
        ScheduleError: naming the parameter, what came and what is allowed.
    """
    for name, value in (("steps", steps), ("train_timesteps", train_timesteps)):
        if not isinstance(value, numbers.Integral) or value < 1:
            raise ScheduleError(f"{name} is {value!r}; it must be a whole number of 1 or more.")
    if not isinstance(strength, numbers.Real) or not 0 <= strength <= 1:  # NaN is refused here too
        raise ScheduleError(
            f"strength is {strength!r}; it must be a number from 0 (keep the picture) to 1 (forget it)."
        )
