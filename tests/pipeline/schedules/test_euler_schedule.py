"""Euler's method for diffusion models: equality with diffusers' EulerDiscreteScheduler and the ancestral one."""

from typing import Any

import numpy as np
import pytest
import torch
from diffusers import EulerAncestralDiscreteScheduler, EulerDiscreteScheduler
from diffusers.schedulers import scheduling_euler_ancestral_discrete
from reference_solver import noise, nonlinear_network, relative_error, solve

from pipeline.schedules.euler import SPACINGS, euler_schedule
from pipeline.schedules.lcm import PREDICTION_TYPES
from presets.errors import ScheduleError

BETAS = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear"}
NETWORK = nonlinear_network(400.0)


@pytest.fixture
def fresh(monkeypatch: pytest.MonkeyPatch) -> list[torch.Tensor]:
    """Noises that the ancestral scheduler draws, in order."""
    noises = [noise(10 + row, torch.float32) for row in range(16)]
    remaining = iter(noises)
    monkeypatch.setattr(scheduling_euler_ancestral_discrete, "randn_tensor", lambda *_, **__: next(remaining).clone())
    return noises


def run(scheduler: Any, z: torch.Tensor) -> torch.Tensor:
    for t in scheduler.timesteps:
        z = scheduler.step(NETWORK(scheduler.scale_model_input(z, t), float(t)), t, z).prev_sample
    return z


@pytest.mark.parametrize("steps", [2, 4, 7, 12])
@pytest.mark.parametrize("spacing", SPACINGS)
@pytest.mark.parametrize("kind", PREDICTION_TYPES)
@pytest.mark.parametrize("ancestral", [False, True])
def test_run_equals_diffusers(steps: int, spacing: Any, kind: Any, ancestral: bool, fresh: list[torch.Tensor]) -> None:
    if ancestral and kind == "sample":  # diffusers has no such kind
        kind = "v_prediction"
    loader = EulerAncestralDiscreteScheduler if ancestral else EulerDiscreteScheduler
    settings = {"timestep_spacing": spacing, "prediction_type": kind, **BETAS}
    scheduler = loader(**settings)
    scheduler.set_timesteps(steps)
    schedule = euler_schedule(steps, 1.0, ancestral=ancestral, **settings)
    np.testing.assert_allclose(schedule.timestep, scheduler.timesteps.numpy(), rtol=1e-6)
    start = noise(0, torch.float32)
    expected = run(scheduler, start * scheduler.init_noise_sigma)
    found = solve(schedule, NETWORK, start * schedule.init_noise_sigma, fresh)
    assert relative_error(found, expected) < 1e-4
    changed = solve(schedule, NETWORK, start * schedule.init_noise_sigma, fresh[::-1])
    assert (relative_error(changed, expected) > 1e-3) == ancestral


def test_single_step_begins_at_the_last_timestep() -> None:
    scheduler = EulerAncestralDiscreteScheduler(timestep_spacing="trailing", **BETAS)
    scheduler.set_timesteps(1)
    for spacing in SPACINGS:
        schedule = euler_schedule(1, 1.0, timestep_spacing=spacing, **BETAS)
        assert schedule.timestep.tolist() == scheduler.timesteps.tolist() == [999.0]
        assert schedule.c.tolist() == [0.0]


@pytest.mark.parametrize("strength", [0.9, 0.5, 0.313])
def test_strength_equals_diffusers_run(strength: float) -> None:
    settings = {"timestep_spacing": "trailing", **BETAS}
    schedule, whole = euler_schedule(6, strength, **settings), euler_schedule(6, 1.0, **settings)
    first = 1000 * strength - 1
    expected = [first, *whole.timestep[whole.timestep < first - 1]]
    np.testing.assert_allclose(schedule.timestep, expected, rtol=1e-6)
    scheduler = EulerDiscreteScheduler(**settings)
    scheduler.set_timesteps(timesteps=[round(timestep) for timestep in schedule.timestep])
    x, path = noise(1, torch.float32), noise(2, torch.float32)
    entry = scheduler.add_noise(x, path, scheduler.timesteps[:1])
    p, q = schedule.entry
    # diffusers' latent is the stream's, divided by p.
    assert relative_error((p * x + q * path) / p, entry) < 1e-5
    assert relative_error(solve(schedule, NETWORK, p * x + q * path), run(scheduler, entry)) < 1e-3


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"timestep_spacing": "even"}, "timestep_spacing is 'even'; it is one of linspace, leading, trailing"),
        ({"prediction_type": "velocity"}, "prediction_type is 'velocity'"),
        ({"steps_offset": -1}, "steps_offset is -1"),
        ({"steps_offset": 1.5}, "steps_offset is 1.5"),
        ({"num_train_timesteps": 3}, "steps is 4; it must be at most num_train_timesteps, 3"),
    ],
)
def test_bad_setting_is_refused(setting: dict[str, Any], message: str) -> None:
    with pytest.raises(ScheduleError, match=message):
        euler_schedule(4, 1.0, **setting)
