"""PeRFlow's scheduler for diffusers pipelines, with a step for a batch of mixed timesteps."""

import logging
from collections.abc import Sequence

import numpy as np
import torch
from diffusers.configuration_utils import ConfigMixin, register_to_config
from diffusers.schedulers.scheduling_utils import KarrasDiffusionSchedulers, SchedulerMixin, SchedulerOutput

from pipeline.diffusers_schedulers.step_table import StepTable
from pipeline.schedules.alphas import BetaSchedule, alphas_cumprod
from pipeline.schedules.perflow_windows import PredictionType, check_prediction_type, time_windows
from presets.errors import ScheduleError

log = logging.getLogger(__name__)


class PeRFlowScheduler(SchedulerMixin, ConfigMixin):  # type: ignore[misc]
    """PeRFlow's solver (Yan et al. 2024), configured like its authors' scheduler.

    ``pipe.scheduler = PeRFlowScheduler.from_config(pipe.scheduler.config, prediction_type="diff_eps")`` turns
    a Stable Diffusion pipeline into a PeRFlow pipeline. `step` and `step_batch` depend on the timesteps only and
    keep no state, so one scheduler serves any mix of samples.
    """

    _compatibles = [scheduler.name for scheduler in KarrasDiffusionSchedulers]  # noqa: RUF012 (diffusers' own shape)
    order = 1

    @register_to_config  # type: ignore[untyped-decorator]
    def __init__(
        self,
        num_train_timesteps: int = 1000,
        beta_start: float = 0.00085,
        beta_end: float = 0.012,
        beta_schedule: BetaSchedule = "scaled_linear",
        trained_betas: Sequence[float] | np.ndarray | None = None,
        set_alpha_to_one: bool = False,
        prediction_type: PredictionType = "ddim_eps",
        t_noise: float = 1,
        t_clean: float = 0,
        num_time_windows: int = 4,
    ) -> None:
        """
        Args:
            num_train_timesteps: T, the number of training timesteps.
            beta_start: The first β.
            beta_end: The last β.
            beta_schedule: "linear", "scaled_linear" or "squaredcos_cap_v2".
            trained_betas: All β, which replace the three settings above.
            set_alpha_to_one: Ignored, as in the authors' scheduler.
            prediction_type: Output of the network: "ddim_eps", "diff_eps" or "velocity".
            t_noise: Start of the first window.
            t_clean: End of the last window.
            num_time_windows: K, 4 in every published network.

        Raises:
            ScheduleError: a setting is out of range; the message names it, its value and the range.
        """
        check_prediction_type(prediction_type)
        if trained_betas is None:
            alphas = alphas_cumprod(num_train_timesteps, beta_start, beta_end, beta_schedule)
        else:
            betas = np.asarray(trained_betas, dtype=np.float64)
            if betas.shape != (num_train_timesteps,) or not ((betas > 0) & (betas < 1)).all():
                raise ScheduleError(
                    f"trained_betas has the shape {list(betas.shape)}; it must be {num_train_timesteps} numbers"
                    " between 0 and 1, one for each training timestep."
                )
            alphas = np.cumprod(1 - betas, dtype=np.float64)
        self._windows = time_windows(alphas, num_time_windows, t_noise, t_clean)
        self._table: StepTable | None = None
        self._alphas = torch.from_numpy(alphas.copy())
        self.alphas_cumprod = self._alphas.float()
        """ᾱ, float32 ``[T]``."""
        self.init_noise_sigma = 1.0
        """Standard deviation of a pipeline's initial noise."""
        self.num_inference_steps: int | None = None
        self.timesteps = torch.arange(num_train_timesteps, 0, -1)
        """Timesteps of the last `set_timesteps`, int64 ``[N]``, falling."""

    def set_timesteps(self, num_inference_steps: int, device: torch.device | str | None = None) -> None:
        """Spread the steps over the windows as the authors do, with a remainder in the first windows.

        Args:
            num_inference_steps: 1 or more. Raised to the number of windows, because no step may cross a boundary.
            device: Device of `self.timesteps`.

        Raises:
            ScheduleError: the number is not whole, below 1, or so large that timesteps would repeat.
        """
        if not num_inference_steps >= 1 or num_inference_steps % 1:
            raise ScheduleError(
                f"num_inference_steps is {num_inference_steps}; it must be a whole number of 1 or more."
            )
        windows = self._windows
        if num_inference_steps < len(windows):
            log.warning("num_inference_steps is %d; raised to one a window, %d.", num_inference_steps, len(windows))
        timesteps = windows.timesteps(int(num_inference_steps))
        if (np.diff(timesteps) >= 0).any() or timesteps[-1] < 1:
            raise ScheduleError(
                f"num_inference_steps is {num_inference_steps}, so many that some of the {windows.train_timesteps}"
                " timesteps repeat. Use fewer."
            )
        times = timesteps / windows.train_timesteps
        dt = np.diff(times, append=0.0)
        A, B = windows.velocity(times, self.config.prediction_type)
        self._table = StepTable(timesteps.astype(np.float64), 1.0 + dt * A, dt * B, np.zeros_like(times))
        self.num_inference_steps = len(timesteps)
        self.timesteps = torch.from_numpy(timesteps).to(device)

    def scale_model_input(self, sample: torch.Tensor, timestep: float | torch.Tensor | None = None) -> torch.Tensor:
        """Return the sample unchanged, for pipelines that call this."""
        return sample

    def step(
        self, model_output: torch.Tensor, timestep: float | torch.Tensor, sample: torch.Tensor, return_dict: bool = True
    ) -> SchedulerOutput | tuple[torch.Tensor]:
        """Return samples ``[B, ...]`` moved from one common `timestep` to the next one of the schedule.

        Returns:
            The result as `prev_sample`, or a tuple of it without `return_dict`.

        Raises:
            ScheduleError: see `step_batch`.
        """
        timesteps = torch.as_tensor(timestep).reshape(-1)
        stepped = self.step_batch(model_output, timesteps.expand(len(sample)), sample)
        return SchedulerOutput(prev_sample=stepped) if return_dict else (stepped,)

    def step_batch(self, model_output: torch.Tensor, timesteps: torch.Tensor, sample: torch.Tensor) -> torch.Tensor:
        """Return every sample moved from its own timestep to the next one of the schedule.

        Args:
            model_output: Output of the network, ``[B, ...]``.
            timesteps: ``[B]``, in any mix and order, each one of `self.timesteps`. On the CPU, nothing is read back
                from a GPU.
            sample: ``[B, ...]``. The step is computed in float32, or float64 for a float64 sample.

        Returns:
            ``[B, ...]`` in the dtype of `sample`.

        Raises:
            ScheduleError: a shape, dtype or timestep does not fit, or `set_timesteps` was not called.
        """
        if self._table is None:
            raise ScheduleError("A step needs a schedule; call set_timesteps first.")
        return self._table.step(model_output, timesteps, sample)

    def add_noise(self, original_samples: torch.Tensor, noise: torch.Tensor, timesteps: torch.Tensor) -> torch.Tensor:
        """Return samples ``[B, ...]`` noised to `timesteps` ``[B]``: ``√ᾱ[t − 1]·x + √(1 − ᾱ[t − 1])·n``.

        This is the authors' rule. Inside a window the trained path is a chord of that curve, so the rule is exact at
        window starts only. `pipeline.schedules.perflow` is exact at any entry.

        Raises:
            ScheduleError: a timestep is no whole number from 1 to T, or the noise has another shape.
        """
        t = timesteps.to("cpu", torch.float64)
        if not ((t >= 1) & (t <= len(self.alphas_cumprod)) & (t % 1 == 0)).all():
            raise ScheduleError(
                f"timesteps is {t.tolist()}; each must be a whole number from 1 to {len(self.alphas_cumprod)}."
            )
        if noise.shape != original_samples.shape:
            raise ScheduleError(
                f"noise has the shape {list(noise.shape)}; the samples have {list(original_samples.shape)}."
            )
        precise = torch.float64 if original_samples.dtype == torch.float64 else torch.float32
        alphas = self._alphas[t.long() - 1].view(-1, *(1,) * (original_samples.ndim - 1))
        p, q = (weight.to(original_samples.device, precise) for weight in (alphas.sqrt(), (1.0 - alphas).sqrt()))
        return (p * original_samples + q * noise).to(original_samples.dtype)

    def __len__(self) -> int:
        return int(self.config.num_train_timesteps)
