"""TrigFlow: SANA-Sprint's own loop around diffusers' SCMScheduler, and the fader on the angle."""

import math
from typing import Any

import numpy as np
import pytest
import torch
from diffusers import SCMScheduler
from diffusers.schedulers import scheduling_scm
from walking import Network, bent, farthest, noise, walk

from pipeline.schedules.trigflow import trigflow_schedule
from presets.errors import ScheduleError


def sana_sprint(scheduler: SCMScheduler, timesteps: torch.Tensor, z: torch.Tensor, network: Network) -> torch.Tensor:
    """The denoising loop of SanaSprintPipeline, with `network` in the transformer's place."""
    denoised = z
    sigma_data = scheduler.config.sigma_data
    for t in timesteps:
        scm = torch.sin(t) / (torch.cos(t) + torch.sin(t))
        given = z / sigma_data * torch.sqrt(scm**2 + (1 - scm) ** 2)
        out = network(given, float(scm))
        out = ((1 - 2 * scm) * given + (1 - 2 * scm + 2 * scm**2) * out) / torch.sqrt(scm**2 + (1 - scm) ** 2)
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
    """The noises that the scheduler will draw, in order."""
    drawn = [noise(10 + row, torch.float32) for row in range(8)]
    waiting = iter(drawn)
    monkeypatch.setattr(scheduling_scm, "randn_tensor", lambda *_, **__: next(waiting).clone())
    return drawn


@pytest.mark.parametrize("steps", [1, 2, 3, 4, 8])
@pytest.mark.parametrize(
    ("sigma_data", "maximum", "intermediate"), [(0.5, 1.5708, 1.3), (0.5, 1.56454, None), (0.8, 1.5, 1.1)]
)
def test_a_whole_run_ends_where_sana_sprint_does(
    steps: int, sigma_data: float, maximum: float, intermediate: float | None, fresh: list[torch.Tensor]
) -> None:
    scheduler, network = scm(steps, sigma_data, maximum, intermediate), bent(0.4)
    start = noise(0, torch.float32)
    expected = sana_sprint(scheduler, scheduler.timesteps[:-1], start * sigma_data, network)
    schedule = trigflow_schedule(
        steps, 1.0, sigma_data=sigma_data, max_timestep=maximum, intermediate_timestep=intermediate
    )
    assert len(schedule) == steps
    assert schedule.start == sigma_data
    assert farthest(walk(schedule, network, schedule.start * start, fresh), expected) < 1e-5
    if steps > 1:
        assert farthest(walk(schedule, network, schedule.start * start, fresh[::-1]), expected) > 1e-2


def test_a_strength_of_a_grid_point_is_an_image_to_image_run(fresh: list[torch.Tensor]) -> None:
    # SanaSprintImg2ImgPipeline: cos t of the picture and sin t of the noise, both scaled by sigma_data.
    scheduler, network = scm(4, 0.5, 1.5708, None), bent(0.4)
    timesteps = scheduler.timesteps[1:-1]
    scheduler.set_begin_index(1)
    picture, path = noise(1, torch.float32), noise(2, torch.float32)
    entered = torch.cos(timesteps[0]) * picture * 0.5 + torch.sin(timesteps[0]) * path * 0.5
    schedule = trigflow_schedule(4, 0.75)
    p, q = schedule.entry
    assert farthest(p * picture + q * path, entered) < 1e-6
    expected = sana_sprint(scheduler, timesteps, entered, network)
    assert farthest(walk(schedule, network, entered, fresh), expected) < 1e-5


def test_strength_is_a_fader_on_the_angle() -> None:
    schedule = trigflow_schedule(4, 0.6)
    angles = np.array([0.6, 0.5, 0.25]) * 1.5708
    np.testing.assert_allclose(schedule.timestep, np.sin(angles) / (np.sin(angles) + np.cos(angles)), rtol=1e-6)
    assert schedule.entry == pytest.approx((0.5 * math.cos(angles[0]), 0.5 * math.sin(angles[0])), rel=1e-6)
    np.testing.assert_allclose(schedule.c, [0.5 * math.sin(angles[1]), 0.5 * math.sin(angles[2]), 0], rtol=1e-6)
    assert trigflow_schedule(4, 0.0).entry == (1.0, 0.0)
    # Two steps: the intermediate timestep, and none where the picture enters below it.
    assert len(trigflow_schedule(2, 0.9)) == 2
    assert len(trigflow_schedule(2, 0.8)) == 1


@pytest.mark.parametrize(
    ("settings", "says"),
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
def test_what_can_not_be_is_refused_by_name(settings: dict[str, Any], says: str) -> None:
    with pytest.raises(ScheduleError, match=says):
        trigflow_schedule(**({"steps": 4, "strength": 0.5} | settings))
