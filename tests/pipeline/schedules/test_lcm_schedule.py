"""Latent consistency models: diffusers' LCMScheduler, timestep for timestep."""

import math
from typing import Any

import numpy as np
import pytest
import torch
from diffusers import LCMScheduler
from diffusers.schedulers import scheduling_lcm
from walking import bent, farthest, noise, walk

from pipeline.schedules.lcm import PREDICTION_TYPES, lcm_schedule
from presets.errors import ScheduleError


@pytest.fixture
def fresh(monkeypatch: pytest.MonkeyPatch) -> list[torch.Tensor]:
    """The noises that the scheduler will draw, in order."""
    drawn = [noise(10 + row, torch.float32) for row in range(16)]
    waiting = iter(drawn)
    monkeypatch.setattr(scheduling_lcm, "randn_tensor", lambda *_, **__: next(waiting).clone())
    return drawn


def run(scheduler: LCMScheduler, z: torch.Tensor) -> torch.Tensor:
    network = bent(400.0)
    for t in scheduler.timesteps:
        z = scheduler.step(network(z, float(t)), t, z).prev_sample
    return z


@pytest.mark.parametrize("steps", [1, 2, 4, 7, 12])
@pytest.mark.parametrize("original", [50, 30, 12])
@pytest.mark.parametrize("kind", PREDICTION_TYPES)
def test_a_whole_run_ends_where_that_of_diffusers_does(
    steps: int, original: int, kind: Any, fresh: list[torch.Tensor]
) -> None:
    scheduler = LCMScheduler(original_inference_steps=original, prediction_type=kind)
    scheduler.set_timesteps(steps)
    schedule = lcm_schedule(steps, 1.0, original_inference_steps=original, prediction_type=kind)
    np.testing.assert_array_equal(schedule.timestep, scheduler.timesteps.numpy())
    start = noise(0, torch.float32)
    expected = run(scheduler, start)
    assert farthest(walk(schedule, bent(400.0), start, fresh), expected) < 1e-4
    if steps > 1:
        assert farthest(walk(schedule, bent(400.0), start, fresh[::-1]), expected) > 1e-2


def test_settings_reach_the_table(fresh: list[torch.Tensor]) -> None:
    settings = {"timestep_scaling": 0.01, "beta_start": 0.0005, "beta_end": 0.02, "beta_schedule": "linear"}
    scheduler = LCMScheduler(num_train_timesteps=600, original_inference_steps=20, **settings)
    scheduler.set_timesteps(5)
    schedule = lcm_schedule(5, 1.0, num_train_timesteps=600, original_inference_steps=20, **settings)
    start = noise(0, torch.float32)
    assert farthest(walk(schedule, bent(400.0), start, fresh), run(scheduler, start)) < 1e-4


@pytest.mark.parametrize("strength", [0.9, 0.5, 0.313])
def test_a_strength_is_a_run_of_diffusers_from_that_timestep(strength: float, fresh: list[torch.Tensor]) -> None:
    schedule = lcm_schedule(6, strength)
    whole = lcm_schedule(6, 1.0)
    first = round(1000 * strength) - 1
    np.testing.assert_array_equal(schedule.timestep, [first, *whole.timestep[whole.timestep < first - 1]])
    scheduler = LCMScheduler()
    scheduler.set_timesteps(timesteps=[int(timestep) for timestep in schedule.timestep])
    picture, path = noise(1, torch.float32), noise(2, torch.float32)
    entered = scheduler.add_noise(picture, path, scheduler.timesteps[:1])
    p, q = schedule.entry
    assert farthest(p * picture + q * path, entered) < 1e-5
    assert farthest(walk(schedule, bent(400.0), entered, fresh), run(scheduler, entered)) < 1e-4


def test_the_last_row_adds_no_noise_and_a_low_strength_draws_nothing() -> None:
    assert lcm_schedule(4, 1.0).c[-1] == 0
    for strength in (0.0, 0.001, 0.0014):
        assert len(lcm_schedule(4, strength)) == 0
    assert len(lcm_schedule(4, 0.002)) == 1


@pytest.mark.parametrize("kind", PREDICTION_TYPES)
def test_one_call_of_a_network_that_knows_finds_the_picture(kind: Any) -> None:
    picture, path = noise(1), noise(2)
    schedule = lcm_schedule(1, 0.8, prediction_type=kind)
    p, q = schedule.entry
    alpha, beta = p, q
    answer = {"epsilon": path, "sample": picture, "v_prediction": alpha * path - beta * picture}[kind]
    assert farthest(walk(schedule, lambda z, t: answer, p * picture + q * path), picture) < 1e-5
    out_x, out_n = schedule.rows[0, 8:].tolist()
    assert farthest(out_x * picture + out_n * path, answer) < 1e-6
    assert math.hypot(p, q) == pytest.approx(1)


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"steps": 0}, "steps is 0; it must be a whole number of 1 or more"),
        ({"steps": 51}, "steps is 51; .*original_inference_steps, 50"),
        ({"strength": float("nan")}, "strength is nan"),
        ({"prediction_type": "noise"}, "prediction_type is 'noise'; it is one of epsilon, sample, v_prediction"),
        ({"original_inference_steps": 1001}, "original_inference_steps is 1001; .* num_train_timesteps, 1000"),
        ({"original_inference_steps": 0}, "original_inference_steps is 0"),
        ({"timestep_scaling": 0.0}, "timestep_scaling is 0.0; it must be a finite number above 0"),
        ({"timestep_scaling": float("inf")}, "timestep_scaling is inf"),
        ({"beta_end": 1.0}, "beta_end 1.0"),
    ],
)
def test_what_can_not_be_is_refused_by_name(settings: dict[str, Any], says: str) -> None:
    with pytest.raises(ScheduleError, match=says):
        lcm_schedule(**({"steps": 4, "strength": 0.5} | settings))
