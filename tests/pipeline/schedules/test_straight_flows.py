"""InstaFlow and MeanFlow: the loops of their papers, and fields with known solutions."""

import math

import numpy as np
import pytest
import torch
from reference_solver import noise, nonlinear_network, relative_error, solve

from pipeline.schedules.straight_flows import instaflow_schedule, meanflow_schedule
from presets.errors import ScheduleError


@pytest.mark.parametrize("steps", [1, 2, 4, 25])
def test_instaflow_equals_its_loop(steps: int) -> None:
    network, z = nonlinear_network(400.0), noise(0)
    schedule = instaflow_schedule(steps, 1.0)
    result = solve(schedule, network, z)
    for step in range(steps):
        z = z + network(z, 1000 * (1 - step / steps)) / steps
    assert relative_error(result, z) < 1e-6


@pytest.mark.parametrize("strength", [1.0, 0.6, 0.01])
def test_instaflow_solves_straight_field(strength: float) -> None:
    x, path = noise(1), noise(2)
    for steps in (1, 3, 8):
        schedule = instaflow_schedule(steps, strength)
        p, q = schedule.entry
        assert (p, q) == pytest.approx((1 - strength, strength), abs=1e-7)
        assert relative_error(solve(schedule, lambda z, t: x - path, p * x + q * path), x) < 1e-6
    np.testing.assert_array_equal(schedule.rows[:, 8:], [[1.0, -1.0]] * len(schedule))


def test_instaflow_strength() -> None:
    np.testing.assert_allclose(instaflow_schedule(4, 0.6).timestep, [600, 500, 250])
    np.testing.assert_allclose(instaflow_schedule(4, 0.6, train_timesteps=10).timestep, [6, 5, 2.5])
    assert len(instaflow_schedule(4, 0.0)) == 0


@pytest.mark.parametrize("steps", [1, 2, 5])
@pytest.mark.parametrize("strength", [1.0, 0.55])
def test_meanflow_is_exact(steps: int, strength: float) -> None:
    # dz/dt = z is not straight. Its average velocity from t to r is z·(1 − e^(r − t))/(t − r).
    schedule, z = meanflow_schedule(steps, strength), noise(0)
    result = z
    for row in range(len(schedule)):
        t, r = float(schedule.timestep[row]), float(schedule.second_time[row])
        average = result * (1 - math.exp(r - t)) / (t - r)
        result = float(schedule.a[row]) * result + float(schedule.b[row]) * average
    assert relative_error(result, z * math.exp(-strength)) < 1e-6
    assert schedule.second_time[-1] == 0
    np.testing.assert_array_equal(schedule.second_time[:-1], schedule.timestep[1:])


def test_meanflow_solves_straight_field() -> None:
    x, path = noise(1), noise(2)
    for steps in (1, 3, 8):
        schedule = meanflow_schedule(steps, 0.7)
        p, q = schedule.entry
        assert relative_error(solve(schedule, lambda z, t: path - x, p * x + q * path), x) < 1e-6


def test_meanflow_time_units() -> None:
    np.testing.assert_allclose(meanflow_schedule(4, 0.6).timestep, [0.6, 0.5, 0.25])
    scaled = meanflow_schedule(4, 0.6, train_timesteps=1000)
    np.testing.assert_allclose(scaled.timestep, [600, 500, 250])
    np.testing.assert_allclose(scaled.second_time, [500, 250, 0])
    assert torch.equal(
        solve(scaled, nonlinear_network(1e9), noise(0)),
        solve(meanflow_schedule(4, 0.6), nonlinear_network(1e9), noise(0)),
    )


@pytest.mark.parametrize("family", [instaflow_schedule, meanflow_schedule])
@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"steps": 0}, "steps is 0; it must be a whole number of 1 or more"),
        ({"strength": float("nan")}, "strength is nan"),
        ({"train_timesteps": 0}, "train_timesteps is 0"),
    ],
)
def test_bad_setting_is_refused(family, settings: dict[str, float], message: str) -> None:
    with pytest.raises(ScheduleError, match=message):
        family(**({"steps": 4, "strength": 0.5} | settings))
