"""One affine step of a batch in which every sample has its own timestep."""

import numpy as np
import torch
from numpy.typing import NDArray

from presets.errors import ScheduleError

TOLERANCE = 1e-2
"""Largest difference from a timestep of the schedule, in training timesteps. It allows for float32 rounding only."""


class StepTable:
    """Coefficients of ``z' = a·z + b·out + c·noise`` by timestep.

    The table has no state: samples may skip rows, repeat rows, and share a batch in any mix.
    """

    def __init__(
        self, timesteps: NDArray[np.float64], a: NDArray[np.float64], b: NDArray[np.float64], c: NDArray[np.float64]
    ) -> None:
        """
        Args:
            timesteps: ``[N]``. If they are not distinct, `step` is refused.
            a: Coefficients of the sample, ``[N]``.
            b: Coefficients of the network's output, ``[N]``.
            c: Coefficients of the noise, ``[N]``.
        """
        self._timesteps = timesteps
        self._distinct = len(timesteps) < 2 or float(np.diff(np.sort(timesteps)).min()) > TOLERANCE
        self._grid = torch.from_numpy(timesteps.astype(np.float32))
        self._coefficients = torch.from_numpy(np.stack([a, b, c]))
        self.stochastic = bool(c.any())
        """True if a step adds noise."""

    def step(
        self,
        model_output: torch.Tensor,
        timesteps: torch.Tensor,
        sample: torch.Tensor,
        noise: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """Return every sample one step on. Arguments and errors are those of the schedulers' `step_batch`."""
        _check_shapes(model_output, timesteps, sample, noise)
        precise = torch.float64 if sample.dtype == torch.float64 else torch.float32
        coefficients = self._coefficients[:, self._rows(timesteps)].to(sample.device, precise, non_blocking=True)
        a, b, c = coefficients.view(3, -1, *(1,) * (sample.ndim - 1))
        stepped = torch.addcmul(a * sample, b, model_output.to(precise))
        if noise is not None:
            stepped.addcmul_(c, noise.to(precise))
        return stepped.to(sample.dtype)

    def _rows(self, timesteps: torch.Tensor) -> torch.Tensor:
        """Return the row of each of `timesteps`, int64 ``[B]`` on the CPU."""
        if not self._distinct:
            raise ScheduleError(
                f"num_inference_steps is {len(self._timesteps)}, so many that timesteps repeat and don't identify a"
                " step. Use fewer."
            )
        on_cpu = timesteps.to("cpu", torch.float32)
        distance, rows = (on_cpu[:, None] - self._grid).abs().min(dim=1)
        known = distance <= TOLERANCE  # False for NaN
        if not known.all():
            unknown = ", ".join(f"{timestep:g}" for timestep in on_cpu[~known].tolist())
            grid = ", ".join(f"{timestep:g}" for timestep in self._timesteps)
            raise ScheduleError(
                f"timesteps holds {unknown}; this schedule has {grid}."
                " (bfloat16 turns 750 into 752: keep timesteps in float32 or int64.)"
            )
        return rows


def _check_shapes(
    model_output: torch.Tensor, timesteps: torch.Tensor, sample: torch.Tensor, noise: torch.Tensor | None
) -> None:
    if sample.ndim < 1 or not sample.dtype.is_floating_point:
        raise ScheduleError(f"sample is {_describe(sample)}; it must be a batch [B, ...] of a floating point type.")
    for name, tensor in (("model_output", model_output), ("noise", noise)):
        if tensor is not None and (tensor.shape != sample.shape or not tensor.dtype.is_floating_point):
            raise ScheduleError(f"{name} is {_describe(tensor)}; it must be like sample, {_describe(sample)}.")
    if timesteps.shape != sample.shape[:1] or timesteps.dtype.is_complex or timesteps.dtype == torch.bool:
        raise ScheduleError(
            f"timesteps is {_describe(timesteps)}; it must be numbers [{sample.shape[0]}], one for each sample."
        )


def _describe(tensor: torch.Tensor) -> str:
    return f"{str(tensor.dtype).removeprefix('torch.')} {list(tensor.shape)}"
