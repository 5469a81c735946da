"""One affine step of a batch in which every sample stands at a timestep of its own."""

import numpy as np
import torch
from numpy.typing import NDArray

from presets.errors import ScheduleError

NEAR = 1e-2
"""How far a timestep may lie from the schedule's, in training timesteps: what float32 loses, and no more."""


class StepTable:
    """``z' = a·z + b·out + c·noise`` for every timestep of a schedule; a sample's row is found by its timestep.

    It holds no state: samples may skip rows, stand still, or share a batch in any mix.
    """

    def __init__(
        self, timesteps: NDArray[np.float64], a: NDArray[np.float64], b: NDArray[np.float64], c: NDArray[np.float64]
    ) -> None:
        """Columns of length N: the timesteps, which must be different from each other, and the coefficients."""
        self._timesteps = timesteps
        self._unlike = len(timesteps) < 2 or float(np.diff(np.sort(timesteps)).min()) > NEAR
        self._grid = torch.from_numpy(timesteps.astype(np.float32))
        self._coefficients = torch.from_numpy(np.stack([a, b, c]))
        self.stochastic = bool(c.any())
        """Whether a step adds noise."""

    def step(
        self,
        model_output: torch.Tensor,
        timesteps: torch.Tensor,
        sample: torch.Tensor,
        noise: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """Every sample one step on; arguments and errors as `step_batch` of the schedulers says."""
        _check_shapes(model_output, timesteps, sample, noise)
        precise = torch.float64 if sample.dtype == torch.float64 else torch.float32
        coefficients = self._coefficients[:, self._rows(timesteps)].to(sample.device, precise, non_blocking=True)
        a, b, c = coefficients.view(3, -1, *(1,) * (sample.ndim - 1))
        stepped = torch.addcmul(a * sample, b, model_output.to(precise))
        if noise is not None:
            stepped.addcmul_(c, noise.to(precise))
        return stepped.to(sample.dtype)

    def _rows(self, timesteps: torch.Tensor) -> torch.Tensor:
        """The row of each of `timesteps`, ``[B]`` on the CPU."""
        if not self._unlike:
            raise ScheduleError(
                f"num_inference_steps is {len(self._timesteps)}, so many that timesteps repeat:"
                " a sample's place can't be told from its timestep. Take fewer."
            )
        told = timesteps.to("cpu", torch.float32)
        distance, rows = (told[:, None] - self._grid).abs().min(dim=1)
        near = distance <= NEAR  # and so never for NaN
        if not near.all():
            strange = [f"{number:g}" for number in told[~near].tolist()]
            known = ", ".join(f"{number:g}" for number in self._timesteps)
            raise ScheduleError(
                f"timesteps holds {', '.join(strange)}; this schedule has {known}."
                " (bfloat16 turns 750 into 752: keep timesteps in float32 or int64.)"
            )
        return rows


def _check_shapes(
    model_output: torch.Tensor, timesteps: torch.Tensor, sample: torch.Tensor, noise: torch.Tensor | None
) -> None:
    if sample.ndim < 1 or not sample.dtype.is_floating_point:
        raise ScheduleError(f"sample is {_said(sample)}; it must be a batch [B, ...] of a floating point type.")
    for name, tensor in (("model_output", model_output), ("noise", noise)):
        if tensor is not None and (tensor.shape != sample.shape or not tensor.dtype.is_floating_point):
            raise ScheduleError(f"{name} is {_said(tensor)}; it must be as sample, {_said(sample)}.")
    if timesteps.shape != sample.shape[:1] or timesteps.dtype.is_complex or timesteps.dtype == torch.bool:
        raise ScheduleError(f"timesteps is {_said(timesteps)}; it must be numbers [{sample.shape[0]}], one a sample.")


def _said(tensor: torch.Tensor) -> str:
    return f"{str(tensor.dtype).removeprefix('torch.')} {list(tensor.shape)}"
