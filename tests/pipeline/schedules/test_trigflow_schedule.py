"""TrigFlow: equality with SANA-Sprint's loop around diffusers' SCMScheduler, and strength as an angle."""

import math
from typing import Any

import numpy as np
import pytest
import torch
from diffusers import SCMScheduler
from diffusers.schedulers import scheduling_scm
from reference_solver import Network, noise, nonlinear_network, relative_error, solve

from pipeline.schedules.trigflow import trigflow_schedule
from presets.errors import ScheduleError


def sana_sprint(scheduler: SCMScheduler, timesteps: torch.Tensor, z: torch.Tensor, network: Network) -> torch.Tensor:
    """Return the result of SanaSprintPipeline's denoising loop, with `network` as the transformer."""
    denoised = z
    sigma_data = scheduler.config.sigma_data
    for t in timesteps:
        scm = torch.sin(t) / (torch.cos(t) + torch.sin(t))
        scaled = z / sigma_data * torch.sqrt(scm**2 + (1 - scm) ** 2)
        out = network(scaled, float(scm))
        out = ((1 - 2 * scm) * scaled + (1 - 2 * scm + 2 * scm**2) * out) / torch.sqrt(scm**2 + (1 - scm) ** 2)
        z, denoised = scheduler.step(out * sigma_data, t, z, return_dict=False)
    return denoised / sigma_data


def scm(steps: int, sigma_data: float, maximum: float, intermediate: float | None) -> SCMScheduler:
    scheduler = SCMScheduler(sigma_data=sigma_data)
    scheduler.set_timesteps(
        steps, max_timesteps=maximum, intermediate_timesteps=intermediate if steps == 2 else None, device="cpu"
    )
    return scheduler


@pytest.fixture
def fresh(monkeypatch: pytest.MonkeyPatch) -> list[torch.Tensor]:
    """Noises that diffusers' scheduler draws, in order."""
    noises = [noise(10 + row, torch.float32) for row in range(8)]
    remaining = iter(noises)
    monkeypatch.setattr(scheduling_scm, "randn_tensor", lambda *_, **__: next(remaining).clone())
    return noises


@pytest.mark.parametrize("steps", [1, 2, 3, 4, 8])
@pytest.mark.parametrize(
    ("sigma_data", "maximum", "intermediate"), [(0.5, 1.5708, 1.3), (0.5, 1.56454, None), (0.8, 1.5, 1.1)]
)
def test_run_equals_sana_sprint(
    steps: int, sigma_data: float, maximum: float, intermediate: float | None, fresh: list[torch.Tensor]
) -> None:
    scheduler, network = scm(steps, sigma_data, maximum, intermediate), nonlinear_network(0.4)
    start = noise(0, torch.float32)
    expected = sana_sprint(scheduler, scheduler.timesteps[:-1], start * sigma_data, network)
    schedule = trigflow_schedule(
        steps, 1.0, sigma_data=sigma_data, max_timestep=maximum, intermediate_timestep=intermediate
    )
    assert len(schedule) == steps
    assert schedule.init_noise_sigma == sigma_data
    assert relative_error(solve(schedule, network, schedule.init_noise_sigma * start, fresh), expected) < 1e-5
    if steps > 1:
        assert relative_error(solve(schedule, network, schedule.init_noise_sigma * start, fresh[::-1]), expected) > 1e-2


def test_strength_equals_img2img(fresh: list[torch.Tensor]) -> None:
    # Like SanaSprintImg2ImgPipeline: (cos t·x + sin t·n)·sigma_data.
    scheduler, network = scm(4, 0.5, 1.5708, None), nonlinear_network(0.4)
    timesteps = scheduler.timesteps[1:-1]
    scheduler.set_begin_index(1)
    x, path = noise(1, torch.float32), noise(2, torch.float32)
    entry = torch.cos(timesteps[0]) * x * 0.5 + torch.sin(timesteps[0]) * path * 0.5
    schedule = trigflow_schedule(4, 0.75)
    p, q = schedule.entry
    assert relative_error(p * x + q * path, entry) < 1e-6
    expected = sana_sprint(scheduler, timesteps, entry, network)
    assert relative_error(solve(schedule, network, entry, fresh), expected) < 1e-5


def test_strength_scales_the_angle() -> None:
    schedule = trigflow_schedule(4, 0.6)
    angles = np.array([0.6, 0.5, 0.25]) * 1.5708
    np.testing.assert_allclose(schedule.timestep, np.sin(angles) / (np.sin(angles) + np.cos(angles)), rtol=1e-6)
    assert schedule.entry == pytest.approx((0.5 * math.cos(angles[0]), 0.5 * math.sin(angles[0])), rel=1e-6)
    np.testing.assert_allclose(schedule.c, [0.5 * math.sin(angles[1]), 0.5 * math.sin(angles[2]), 0], rtol=1e-6)
    assert trigflow_schedule(4, 0.0).entry == (1.0, 0.0)
    # Two steps use the intermediate timestep, unless the entry is below it.
    assert len(trigflow_schedule(2, 0.9)) == 2
    assert len(trigflow_schedule(2, 0.8)) == 1


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"steps": 0}, "steps is 0; it must be a whole number of 1 or more"),
        ({"strength": float("nan")}, "strength is nan"),
        ({"sigma_data": 0.0}, "sigma_data is 0.0; it must be a finite number above 0"),
        ({"sigma_data": float("nan")}, "sigma_data is nan"),
        ({"max_timestep": 0.0}, "max_timestep is 0.0; it must be an angle above 0 and up to 1.5708"),
        ({"max_timestep": 1.6}, "max_timestep is 1.6"),
        ({"intermediate_timestep": 1.5708}, "intermediate_timestep is 1.5708; it must be an angle between 0 and"),
        ({"intermediate_timestep": float("nan")}, "intermediate_timestep is nan"),
    ],
)
def test_bad_setting_is_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ScheduleError, match=message):
        trigflow_schedule(**({"steps": 4, "strength": 0.5} | settings))
