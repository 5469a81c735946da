"""diffusers' flow-matching Euler scheduler, with networks that predict the clean sample and a step for mixed timesteps.

A folder whose network predicts the sample names this class in its ``model_index.json``, as
``["pipeline.diffusers_schedulers.flow_matching", "FlowMatchEulerScheduler"]``. diffusers loads it from there after
``import pipeline.diffusers_schedulers``, and refuses the folder before. Under the name of its own class it would take
samples for velocities in silence.
"""

from typing import Any

import numpy as np
import torch
from diffusers import FlowMatchEulerDiscreteScheduler
from diffusers.configuration_utils import register_to_config
from diffusers.schedulers.scheduling_flow_match_euler_discrete import FlowMatchEulerDiscreteSchedulerOutput
from diffusers.schedulers.scheduling_utils import SchedulerMixin
from diffusers.utils.torch_utils import randn_tensor

from pipeline.diffusers_schedulers.step_table import StepTable
from pipeline.schedule import check_settings
from pipeline.schedules.flow_matching import Prediction, check_prediction
from presets.errors import ScheduleError


# diffusers loads a class if the module that the folder names also has the class's base, so it is named here.
class FlowMatchEulerScheduler(FlowMatchEulerDiscreteScheduler, SchedulerMixin):  # type: ignore[misc]
    """`FlowMatchEulerDiscreteScheduler` with `prediction_type` and `step_batch` added. Its own defaults are diffusers'.

    diffusers' `step` counts its calls, so one instance serves one image at a time, and its `per_token_timesteps` have
    the opposite sign of dt. `step_batch` depends on the timesteps only. `init_noise_sigma` and `scale_model_input` let
    the pipelines of Stable Diffusion use it, InstructPix2Pix among them.
    """

    _table: StepTable | None = None
    init_noise_sigma = 1.0
    """Standard deviation of a pipeline's initial noise."""

    @register_to_config  # type: ignore[untyped-decorator]
    def __init__(  # diffusers reads the names of the settings from this signature
        self,
        num_train_timesteps: int = 1000,
        shift: float = 1.0,
        use_dynamic_shifting: bool = False,
        base_shift: float | None = 0.5,
        max_shift: float | None = 1.15,
        base_image_seq_len: int = 256,
        max_image_seq_len: int = 4096,
        invert_sigmas: bool = False,
        shift_terminal: float | None = None,
        use_karras_sigmas: bool = False,
        use_exponential_sigmas: bool = False,
        use_beta_sigmas: bool = False,
        time_shift_type: str = "exponential",
        stochastic_sampling: bool = False,
        prediction_type: Prediction = "velocity",
    ) -> None:
        """
        Args:
            prediction_type: Output of the network: "velocity", ``n − x``, or "sample", the clean sample ``x``. All
                other settings are those of `FlowMatchEulerDiscreteScheduler`.

        Raises:
            ScheduleError: the prediction type is unknown, or "sample" with inverted sigmas.
        """
        check_prediction(prediction_type)
        if invert_sigmas and prediction_type == "sample":
            raise ScheduleError("invert_sigmas is True with prediction_type 'sample'; only velocities can be inverted.")
        super().__init__(
            **{name: value for name, value in self.config.items() if name != "prediction_type" and name[0] != "_"}
        )

    def scale_model_input(self, sample: torch.Tensor, timestep: Any = None) -> torch.Tensor:
        """Return the sample: flow matching does not scale it."""
        return sample

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
        stochastic = self.config.stochastic_sampling
        fresh = sigma_next if stochastic else np.zeros_like(sigma)
        if self.config.prediction_type == "sample":  # the clean sample is out
            kept = np.zeros_like(sigma) if stochastic else sigma_next / sigma
            columns = kept, 1.0 - (sigma_next if stochastic else kept), fresh
        elif stochastic:  # the clean sample z − σ·out, noised again to σ'
            columns = 1.0 - sigma_next, -sigma * (1.0 - sigma_next), fresh
        else:
            columns = np.ones_like(sigma), sigma_next - sigma, fresh
        self._table = StepTable(self.timesteps.cpu().double().numpy(), *columns)

    def step(
        self,
        model_output: torch.Tensor,
        timestep: float | torch.Tensor,
        sample: torch.Tensor,
        s_churn: float = 0.0,
        s_tmin: float = 0.0,
        s_tmax: float = float("inf"),
        s_noise: float = 1.0,
        generator: torch.Generator | None = None,
        per_token_timesteps: torch.Tensor | None = None,
        return_dict: bool = True,
    ) -> FlowMatchEulerDiscreteSchedulerOutput | tuple[torch.Tensor]:
        """Return the sample after the next step, as diffusers. A predicted sample is turned into its velocity."""
        velocity = model_output
        if self.config.prediction_type == "sample":
            if per_token_timesteps is not None:
                sigma = per_token_timesteps[..., None] / self.config.num_train_timesteps
            else:
                if self.step_index is None:
                    self._init_step_index(timestep)
                sigma = self.sigmas[self.step_index]
            velocity = (sample.float() - model_output.float()) / sigma
        noising = (s_churn, s_tmin, s_tmax, s_noise, generator, per_token_timesteps)
        (stepped,) = super().step(velocity, timestep, sample, *noising, return_dict=False)
        if per_token_timesteps is None:
            stepped = stepped.to(model_output.dtype)
        return FlowMatchEulerDiscreteSchedulerOutput(prev_sample=stepped) if return_dict else (stepped,)

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
            model_output: Predicted velocities ``n − x`` or samples ``x``, ``[B, ...]``.
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
