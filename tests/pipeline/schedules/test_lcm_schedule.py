"""Latent consistency models: equality with diffusers' LCMScheduler."""

import math
from typing import Any

import numpy as np
import pytest
import torch
from diffusers import LCMScheduler
from diffusers.schedulers import scheduling_lcm
from reference_solver import noise, nonlinear_network, relative_error, solve

from pipeline.schedules.lcm import PREDICTION_TYPES, lcm_schedule
from presets.errors import ScheduleError


@pytest.fixture
def fresh(monkeypatch: pytest.MonkeyPatch) -> list[torch.Tensor]:
    """Noises that diffusers' scheduler draws, in order."""
    noises = [noise(10 + row, torch.float32) for row in range(16)]
    remaining = iter(noises)
    monkeypatch.setattr(scheduling_lcm, "randn_tensor", lambda *_, **__: next(remaining).clone())
    return noises


def run(scheduler: LCMScheduler, z: torch.Tensor) -> torch.Tensor:
    network = nonlinear_network(400.0)
    for t in scheduler.timesteps:
        z = scheduler.step(network(z, float(t)), t, z).prev_sample
    return z


@pytest.mark.parametrize("steps", [1, 2, 4, 7, 12])
@pytest.mark.parametrize("original", [50, 30, 12])
@pytest.mark.parametrize("kind", PREDICTION_TYPES)
def test_run_equals_diffusers(steps: int, original: int, kind: Any, fresh: list[torch.Tensor]) -> None:
    scheduler = LCMScheduler(original_inference_steps=original, prediction_type=kind)
    scheduler.set_timesteps(steps)
    schedule = lcm_schedule(steps, 1.0, original_inference_steps=original, prediction_type=kind)
    np.testing.assert_array_equal(schedule.timestep, scheduler.timesteps.numpy())
    start = noise(0, torch.float32)
    expected = run(scheduler, start)
    assert relative_error(solve(schedule, nonlinear_network(400.0), start, fresh), expected) < 1e-4
    if steps > 1:
        assert relative_error(solve(schedule, nonlinear_network(400.0), start, fresh[::-1]), expected) > 1e-2


def test_settings_equal_diffusers(fresh: list[torch.Tensor]) -> None:
    settings = {"timestep_scaling": 0.01, "beta_start": 0.0005, "beta_end": 0.02, "beta_schedule": "linear"}
    scheduler = LCMScheduler(num_train_timesteps=600, original_inference_steps=20, **settings)
    scheduler.set_timesteps(5)
    schedule = lcm_schedule(5, 1.0, num_train_timesteps=600, original_inference_steps=20, **settings)
    start = noise(0, torch.float32)
    assert relative_error(solve(schedule, nonlinear_network(400.0), start, fresh), run(scheduler, start)) < 1e-4


@pytest.mark.parametrize("strength", [0.9, 0.5, 0.313])
def test_strength_equals_diffusers_run(strength: float, fresh: list[torch.Tensor]) -> None:
    schedule = lcm_schedule(6, strength)
    whole = lcm_schedule(6, 1.0)
    first = round(1000 * strength) - 1
    np.testing.assert_array_equal(schedule.timestep, [first, *whole.timestep[whole.timestep < first - 1]])
    scheduler = LCMScheduler()
    scheduler.set_timesteps(timesteps=[int(timestep) for timestep in schedule.timestep])
    x, path = noise(1, torch.float32), noise(2, torch.float32)
    entry = scheduler.add_noise(x, path, scheduler.timesteps[:1])
    p, q = schedule.entry
    assert relative_error(p * x + q * path, entry) < 1e-5
    assert relative_error(solve(schedule, nonlinear_network(400.0), entry, fresh), run(scheduler, entry)) < 1e-4


def test_last_row_adds_no_noise() -> None:
    assert lcm_schedule(4, 1.0).c[-1] == 0
    for strength in (0.0, 0.001, 0.0014):
        assert len(lcm_schedule(4, strength)) == 0
    assert len(lcm_schedule(4, 0.002)) == 1


@pytest.mark.parametrize("kind", PREDICTION_TYPES)
def test_ideal_network_needs_one_call(kind: Any) -> None:
    x, path = noise(1), noise(2)
    schedule = lcm_schedule(1, 0.8, prediction_type=kind)
    p, q = schedule.entry
    alpha, beta = p, q
    answer = {"epsilon": path, "sample": x, "v_prediction": alpha * path - beta * x}[kind]
    assert relative_error(solve(schedule, lambda z, t: answer, p * x + q * path), x) < 1e-5
    out_x, out_n = schedule.rows[0, 8:].tolist()
    assert relative_error(out_x * x + out_n * path, answer) < 1e-6
    assert math.hypot(p, q) == pytest.approx(1)


@pytest.mark.parametrize(
    ("settings", "message"),
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
def test_bad_setting_is_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ScheduleError, match=message):
        lcm_schedule(**({"steps": 4, "strength": 0.5} | settings))
