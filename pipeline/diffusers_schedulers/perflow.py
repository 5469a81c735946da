"""PeRFlow's scheduler for diffusers pipelines, with the paper's step for a batch of mixed timesteps."""

import logging
from collections.abc import Sequence

import numpy as np
import torch
from diffusers.configuration_utils import ConfigMixin, register_to_config
from diffusers.schedulers.scheduling_utils import KarrasDiffusionSchedulers, SchedulerMixin, SchedulerOutput

from pipeline.diffusers_schedulers.batch import StepTable
from pipeline.schedules.alphas import BetaSchedule, alphas_cumprod
from pipeline.schedules.windows import PredictionType, check_prediction_type, time_windows
from presets.errors import ScheduleError

log = logging.getLogger(__name__)


class PeRFlowScheduler(SchedulerMixin, ConfigMixin):  # type: ignore[misc]
    """Steps along PeRFlow's straight pieces (Yan et al. 2024); configured as its authors' scheduler is.

    ``pipe.scheduler = PeRFlowScheduler.from_config(pipe.scheduler.config, prediction_type="diff_eps")`` makes a
    Stable Diffusion pipeline one of PeRFlow's. `step` and `step_batch` keep no count of their calls: where a sample
    stands is what its timestep says, so one scheduler serves any mix.
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
            num_train_timesteps: T, the timesteps from picture to noise.
            beta_start: The first β.
            beta_end: The last β.
            beta_schedule: "linear", "scaled_linear" or "squaredcos_cap_v2".
            trained_betas: The β themselves, in place of those three.
            set_alpha_to_one: Part of configurations; the original reads it and makes no use of it either.
            prediction_type: What the network answers: "ddim_eps", "diff_eps" or "velocity".
            t_noise: Where the first window begins.
            t_clean: Where the last window ends.
            num_time_windows: K, 4 of every published network.

        Raises:
            ScheduleError: naming the parameter, what came and what is allowed.
        """
        check_prediction_type(prediction_type)
        if trained_betas is None:
            kept = alphas_cumprod(num_train_timesteps, beta_start, beta_end, beta_schedule)
        else:
            betas = np.asarray(trained_betas, dtype=np.float64)
            if betas.shape != (num_train_timesteps,) or not ((betas > 0) & (betas < 1)).all():
                raise ScheduleError(
                    f"trained_betas has the shape {list(betas.shape)}; it must be {num_train_timesteps} numbers"
                    " between 0 and 1, one a training timestep."
                )
            kept = np.cumprod(1 - betas, dtype=np.float64)
        self._windows = time_windows(kept, num_time_windows, t_noise, t_clean)
        self._table: StepTable | None = None
        self._kept = torch.from_numpy(kept.copy())
        self.alphas_cumprod = self._kept.float()
        """float32 ``[T]``."""
        self.init_noise_sigma = 1.0
        """What a pipeline multiplies its noise with."""
        self.num_inference_steps: int | None = None
        self.timesteps = torch.arange(num_train_timesteps, 0, -1)
        """int64 ``[N]``, falling; those of the last `set_timesteps`."""

    def set_timesteps(self, num_inference_steps: int, device: torch.device | str | None = None) -> None:
        """Spreads the steps over the windows, as the original does: the first windows get one more if need be.

        Args:
            num_inference_steps: 1 or more; fewer than windows become as many as there are windows, since no step may
                cross from one to the next.
            device: Where `timesteps` will be.

        Raises:
            ScheduleError: a number that is not whole, below 1, or so large that timesteps would repeat.
        """
        if not num_inference_steps >= 1 or num_inference_steps % 1:
            raise ScheduleError(
                f"num_inference_steps is {num_inference_steps}; it must be a whole number of 1 or more."
            )
        windows = self._windows
        if num_inference_steps < len(windows):
            log.warning("num_inference_steps is %d; one a window it is, %d.", num_inference_steps, len(windows))
        timesteps = windows.timesteps(int(num_inference_steps))
        if (np.diff(timesteps) >= 0).any() or timesteps[-1] < 1:
            raise ScheduleError(
                f"num_inference_steps is {num_inference_steps}, so many that some of the {windows.train_timesteps}"
                " timesteps repeat; take fewer."
            )
        times = timesteps / windows.train_timesteps
        lengths = np.diff(times, append=0.0)
        of_sample, of_output = windows.velocity(times, self.config.prediction_type)
        self._table = StepTable(
            timesteps.astype(np.float64), 1.0 + lengths * of_sample, lengths * of_output, np.zeros_like(times)
        )
        self.num_inference_steps = len(timesteps)
        self.timesteps = torch.from_numpy(timesteps).to(device)

    def scale_model_input(self, sample: torch.Tensor, timestep: float | torch.Tensor | None = None) -> torch.Tensor:
        """The sample as it is: PeRFlow's networks are given no other."""
        return sample

    def step(
        self, model_output: torch.Tensor, timestep: float | torch.Tensor, sample: torch.Tensor, return_dict: bool = True
    ) -> SchedulerOutput | tuple[torch.Tensor]:
        """One step of samples ``[B, ...]`` that all stand at `timestep`, to the schedule's next one.

        Returns:
            With `prev_sample`; a tuple of it without `return_dict`.

        Raises:
            ScheduleError: as `step_batch`.
        """
        timesteps = torch.as_tensor(timestep).reshape(-1)
        stepped = self.step_batch(model_output, timesteps.expand(len(sample)), sample)
        return SchedulerOutput(prev_sample=stepped) if return_dict else (stepped,)

    def step_batch(self, model_output: torch.Tensor, timesteps: torch.Tensor, sample: torch.Tensor) -> torch.Tensor:
        """Every sample from its own timestep to the next one of the schedule.

        Args:
            model_output: What the network answered, ``[B, ...]``.
            timesteps: ``[B]``, each one of `timesteps`, in any mix and order. On the CPU nothing is read back from a
                GPU to find their rows.
            sample: ``[B, ...]``; coefficients and sums are float32, or float64 for a float64 sample.

        Returns:
            ``[B, ...]`` in the dtype of `sample`.

        Raises:
            ScheduleError: a shape, dtype or timestep that does not fit, or `set_timesteps` not called yet.
        """
        if self._table is None:
            raise ScheduleError("A step needs a schedule; call set_timesteps first.")
        return self._table.step(model_output, timesteps, sample)

    def add_noise(self, original_samples: torch.Tensor, noise: torch.Tensor, timesteps: torch.Tensor) -> torch.Tensor:
        """Samples ``[B, ...]`` with the noise of `timesteps` ``[B]``, by the original's rule: ``√ᾱ[t − 1]``.

        Within a window the path that networks were trained on is a chord of that curve, so this is exact at window
        starts only. (`pipeline.schedules.perflow` enters anywhere, exactly.)

        Raises:
            ScheduleError: timesteps that are not whole numbers from 1 to T, or noise of another shape.
        """
        told = timesteps.to("cpu", torch.float64)
        if not ((told >= 1) & (told <= len(self.alphas_cumprod)) & (told % 1 == 0)).all():
            raise ScheduleError(
                f"timesteps is {told.tolist()}; each must be a whole number from 1 to {len(self.alphas_cumprod)}."
            )
        if noise.shape != original_samples.shape:
            raise ScheduleError(
                f"noise has the shape {list(noise.shape)}; it must be {list(original_samples.shape)}, the samples' own."
            )
        precise = torch.float64 if original_samples.dtype == torch.float64 else torch.float32
        kept = self._kept[told.long() - 1].view(-1, *(1,) * (original_samples.ndim - 1))
        p, q = (share.to(original_samples.device, precise) for share in (kept.sqrt(), (1.0 - kept).sqrt()))
        return (p * original_samples + q * noise).to(original_samples.dtype)

    def __len__(self) -> int:
        return int(self.config.num_train_timesteps)
