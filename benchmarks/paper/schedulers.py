"""The model's own solver as a scheduler that diffusers' Stable Diffusion pipelines take, noise and all.

A flow-matching model's is diffusers' own class, given what those pipelines want beside it; any other family's is its
table (`pipeline.schedule`), so that every contender makes the same calls at the same timesteps.
"""

from typing import Any

import torch
from diffusers import ConfigMixin, FlowMatchEulerDiscreteScheduler, SchedulerMixin
from diffusers.configuration_utils import register_to_config

from pipeline.models import Model
from pipeline.schedule import FlowSchedule


class _Given:
    """A schedule that stands already, whatever number of steps a pipeline asks for, and the noise it adds."""

    init_noise_sigma = 1.0
    given: FlowSchedule
    noise: torch.Tensor | None = None
    """What `add_noise` adds in the place of the pipeline's own, so that pictures can be compared."""


class FlowMatching(_Given, FlowMatchEulerDiscreteScheduler):  # type: ignore[misc]
    """diffusers' own solver, at the σ of a `FlowSchedule`."""

    def set_timesteps(self, num_inference_steps: int | None = None, device: Any = None, **settings: Any) -> None:
        """The given ones."""
        shift = float(self.config.shift)
        sigmas = self.given.timestep.astype(float) / self.config.num_train_timesteps
        # Handed to diffusers as they were before the shift, which it makes itself.
        super().set_timesteps(device=device, sigmas=list(sigmas / (shift - (shift - 1) * sigmas)))

    def scale_model_input(self, sample: torch.Tensor, timestep: Any = None) -> torch.Tensor:
        """As it is."""
        return sample

    def add_noise(self, original: torch.Tensor, noise: torch.Tensor, timesteps: torch.Tensor) -> torch.Tensor:
        """The latent that a picture enters with."""
        noisy: torch.Tensor = self.scale_noise(original, timesteps, noise if self.noise is None else self.noise)
        return noisy


class Table(_Given, SchedulerMixin, ConfigMixin):  # type: ignore[misc]
    """A `FlowSchedule` of any family."""

    order = 1

    @register_to_config  # type: ignore[untyped-decorator]
    def __init__(self) -> None:
        self.timesteps = torch.zeros(0)

    def set_timesteps(self, num_inference_steps: int | None = None, device: Any = None, **settings: Any) -> None:
        """The given ones."""
        self.timesteps = torch.from_numpy(self.given.timestep.copy()).to(device)
        self.init_noise_sigma = self.given.init_noise_sigma
        self._row = 0

    def scale_model_input(self, sample: torch.Tensor, timestep: Any = None) -> torch.Tensor:
        """As the family wants it."""
        return sample * float(self.given.input_scale[self._row])

    def add_noise(self, original: torch.Tensor, noise: torch.Tensor, timesteps: torch.Tensor) -> torch.Tensor:
        """The latent that a picture enters with."""
        p, q = self.given.entry
        return p * original + q * (noise if self.noise is None else self.noise)

    def step(self, out: torch.Tensor, timestep: Any, sample: torch.Tensor, **settings: Any) -> tuple[torch.Tensor]:
        """One row after another."""
        a, b, c = (float(column[self._row]) for column in (self.given.a, self.given.b, self.given.c))
        self._row += 1
        stepped = a * sample + b * out
        return (stepped + c * torch.randn_like(sample) if c else stepped,)


def scheduler_of(model: Model) -> Any:
    """One for the model; its `given` is to be set before each run."""
    if model.classes["scheduler"] != "FlowMatchEulerDiscreteScheduler":
        return Table()
    return FlowMatching.from_pretrained(model.folder / "scheduler", local_files_only=True)
