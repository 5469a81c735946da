"""Schedulers for diffusers' Stable Diffusion pipelines that make the model's own steps, noise included.

A flow-matching model gets diffusers' own class with the methods that those pipelines need. Any other family gets its
`FlowSchedule`, so that every contender makes the same calls at the same timesteps.
"""

from typing import Any

import torch

from pipeline.library_imports import quick_imports
from pipeline.models import Model
from pipeline.schedule import FlowSchedule

with quick_imports():
    from diffusers import ConfigMixin, FlowMatchEulerDiscreteScheduler, SchedulerMixin
    from diffusers.configuration_utils import register_to_config


class _GivenSchedule:
    """A fixed schedule and fixed noise. The number of steps that a pipeline asks for is ignored."""

    init_noise_sigma = 1.0
    given: FlowSchedule
    noise: torch.Tensor | None = None
    """Noise that `add_noise` takes in place of the pipeline's, so that pictures can be compared."""


class FlowMatchingScheduler(_GivenSchedule, FlowMatchEulerDiscreteScheduler):  # type: ignore[misc]
    """diffusers' own solver at the σ of a `FlowSchedule`."""

    def set_timesteps(self, num_inference_steps: int | None = None, device: Any = None, **settings: Any) -> None:
        """Set the timesteps of the given schedule."""
        shift = float(self.config.shift)
        sigmas = self.given.timestep.astype(float) / self.config.num_train_timesteps
        # diffusers shifts the σ it is given, so they are handed over unshifted.
        super().set_timesteps(device=device, sigmas=list(sigmas / (shift - (shift - 1) * sigmas)))

    def scale_model_input(self, sample: torch.Tensor, timestep: Any = None) -> torch.Tensor:
        """Return the sample unchanged."""
        return sample

    def add_noise(self, original: torch.Tensor, noise: torch.Tensor, timesteps: torch.Tensor) -> torch.Tensor:
        """Return the entry latent of a picture."""
        noisy: torch.Tensor = self.scale_noise(original, timesteps, noise if self.noise is None else self.noise)
        return noisy


class TableScheduler(_GivenSchedule, SchedulerMixin, ConfigMixin):  # type: ignore[misc]
    """The solver of any family, from the table of a `FlowSchedule`."""

    order = 1

    @register_to_config  # type: ignore[untyped-decorator]
    def __init__(self) -> None:
        self.timesteps = torch.zeros(0)

    def set_timesteps(self, num_inference_steps: int | None = None, device: Any = None, **settings: Any) -> None:
        """Set the timesteps of the given schedule, and start at its first row."""
        self.timesteps = torch.from_numpy(self.given.timestep.copy()).to(device)
        self.init_noise_sigma = self.given.init_noise_sigma
        self._row = 0

    def scale_model_input(self, sample: torch.Tensor, timestep: Any = None) -> torch.Tensor:
        """Return the sample times the row's input scale."""
        return sample * float(self.given.input_scale[self._row])

    def add_noise(self, original: torch.Tensor, noise: torch.Tensor, timesteps: torch.Tensor) -> torch.Tensor:
        """Return the entry latent of a picture."""
        p, q = self.given.entry
        return p * original + q * (noise if self.noise is None else self.noise)

    def step(self, out: torch.Tensor, timestep: Any, sample: torch.Tensor, **settings: Any) -> tuple[torch.Tensor]:
        """Return a·sample + b·out + c·noise of the current row, and move to the next row."""
        a, b, c = (float(column[self._row]) for column in (self.given.a, self.given.b, self.given.c))
        self._row += 1
        stepped = a * sample + b * out
        return (stepped + c * torch.randn_like(sample) if c else stepped,)


def scheduler_of(model: Model) -> Any:
    """Return the scheduler of a model. Its `given` has to be set before each run."""
    if model.classes["scheduler"] != "FlowMatchEulerDiscreteScheduler" or not model.schedule(1, 1.0).rows[0, 9]:
        return TableScheduler()  # diffusers' class has no step for a network that predicts the clean latent
    return FlowMatchingScheduler.from_pretrained(model.folder / "scheduler", local_files_only=True)
