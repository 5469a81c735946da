"""diffusers' flow-matching Euler scheduler, with a step for a batch of mixed timesteps."""

import numpy as np
import torch
from diffusers import FlowMatchEulerDiscreteScheduler
from diffusers.utils.torch_utils import randn_tensor

from pipeline.diffusers_schedulers.step_table import StepTable
from pipeline.schedule import check_settings
from presets.errors import ScheduleError


class FlowMatchEulerScheduler(FlowMatchEulerDiscreteScheduler):  # type: ignore[misc]
    """`FlowMatchEulerDiscreteScheduler` with `step_batch` added. In a pipeline the two are the same.

    diffusers' `step` counts its calls, so one instance serves one image at a time, and its `per_token_timesteps` have
    the opposite sign of dt. `step_batch` depends on the timesteps only.
    """

    _table: StepTable | None = None

    def set_timesteps(
        self,
        num_inference_steps: int | None = None,
        device: torch.device | str | None = None,
        sigmas: list[float] | None = None,
        mu: float | None = None,
        timesteps: list[float] | None = None,
    ) -> None:
        """Set the grid, with diffusers' arguments, whose names pipelines inspect.

        Raises:
            ScheduleError: `num_inference_steps` is below 1.
        """
        if num_inference_steps is not None:
            check_settings(steps=num_inference_steps)
        super().set_timesteps(num_inference_steps, device=device, sigmas=sigmas, mu=mu, timesteps=timesteps)
        grid = self.sigmas.cpu().double().numpy()
        sigma, sigma_next = grid[:-1], grid[1:]
        if self.config.stochastic_sampling:  # the clean sample z − σ·out, noised again to σ'
            columns = 1.0 - sigma_next, -sigma * (1.0 - sigma_next), sigma_next
        else:
            columns = np.ones_like(sigma), sigma_next - sigma, np.zeros_like(sigma)
        self._table = StepTable(self.timesteps.cpu().double().numpy(), *columns)

    def step_batch(
        self,
        model_output: torch.Tensor,
        timesteps: torch.Tensor,
        sample: torch.Tensor,
        *,
        noise: torch.Tensor | None = None,
        generator: torch.Generator | list[torch.Generator] | None = None,
    ) -> torch.Tensor:
        """Return every sample moved from its own timestep to the next one of the schedule.

        Args:
            model_output: Predicted velocities ``n − x``, ``[B, ...]``.
            timesteps: ``[B]``, in any mix and order, each one of `self.timesteps`. On the CPU, nothing is read back
                from a GPU.
            sample: ``[B, ...]``. The step is computed in float32, or float64 for a float64 sample.
            noise: Unit noise ``[B, ...]`` for stochastic sampling. None draws it from `generator`.
            generator: One generator, or one for each sample, as in diffusers.

        Returns:
            ``[B, ...]`` in the dtype of `sample`.

        Raises:
            ScheduleError: a shape, dtype or timestep does not fit, or `set_timesteps` was not called.
        """
        if self._table is None:
            raise ScheduleError("step_batch needs a schedule; call set_timesteps first.")
        if not self._table.stochastic:
            noise = None
        elif noise is None:
            noise = randn_tensor(sample.shape, generator=generator, device=sample.device, dtype=sample.dtype)
        return self._table.step(model_output, timesteps, sample, noise)
