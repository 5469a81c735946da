"""diffusers' flow-matching Euler scheduler, with the paper's step for a batch of mixed timesteps."""

import numpy as np
import torch
from diffusers import FlowMatchEulerDiscreteScheduler
from diffusers.utils.torch_utils import randn_tensor

from pipeline.diffusers_schedulers.batch import StepTable
from pipeline.schedule import check_settings
from presets.errors import ScheduleError


class FlowMatchEulerScheduler(FlowMatchEulerDiscreteScheduler):  # type: ignore[misc]
    """In every pipeline what `FlowMatchEulerDiscreteScheduler` is; `step_batch` besides.

    diffusers' `step` counts its calls, so one instance serves one picture at a time, and its `per_token_timesteps`
    step the other way. `step_batch` looks at the timesteps alone.
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
        """As diffusers', argument for argument: pipelines look at their names. Raises `ScheduleError` for no steps."""
        if num_inference_steps is not None:
            check_settings(steps=num_inference_steps)
        super().set_timesteps(num_inference_steps, device=device, sigmas=sigmas, mu=mu, timesteps=timesteps)
        grid = self.sigmas.cpu().double().numpy()
        at, after = grid[:-1], grid[1:]
        if self.config.stochastic_sampling:  # the clean picture z − σ·out, noised anew to σ'
            columns = 1.0 - after, -at * (1.0 - after), after
        else:
            columns = np.ones_like(at), after - at, np.zeros_like(at)
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
        """Every sample from its own σ to the next one of the schedule.

        Args:
            model_output: The velocities ``[B, ...]``, noise less data.
            timesteps: ``[B]``, each one of `timesteps`, in any mix and order. On the CPU nothing is read back from a
                GPU to find their rows.
            sample: ``[B, ...]``; coefficients and sums are float32, or float64 for a float64 sample.
            noise: Under stochastic sampling, unit noise ``[B, ...]``; drawn from `generator` where None.
            generator: As in diffusers, one or one a sample.

        Returns:
            ``[B, ...]`` in the dtype of `sample`.

        Raises:
            ScheduleError: a shape, dtype or timestep that does not fit, or `set_timesteps` not called yet.
        """
        if self._table is None:
            raise ScheduleError("step_batch needs a schedule; call set_timesteps first.")
        if not self._table.stochastic:
            noise = None
        elif noise is None:
            noise = randn_tensor(sample.shape, generator=generator, device=sample.device, dtype=sample.dtype)
        return self._table.step(model_output, timesteps, sample, noise)
