"""InstaFlow and MeanFlow: the loops of their papers, and fields whose solutions are known."""

import math

import numpy as np
import pytest
import torch
from walking import bent, farthest, noise, walk

from pipeline.schedules.instaflow import instaflow_schedule
from pipeline.schedules.meanflow import meanflow_schedule
from presets.errors import ScheduleError


@pytest.mark.parametrize("steps", [1, 2, 4, 25])
def test_instaflow_is_its_own_loop(steps: int) -> None:
    network, z = bent(400.0), noise(0)
    schedule = instaflow_schedule(steps, 1.0)
    drawn = walk(schedule, network, z)
    for step in range(steps):
        z = z + network(z, 1000 * (1 - step / steps)) / steps
    assert farthest(drawn, z) < 1e-6


@pytest.mark.parametrize("strength", [1.0, 0.6, 0.01])
def test_instaflow_solves_a_straight_field_in_any_number_of_steps(strength: float) -> None:
    picture, path = noise(1), noise(2)
    for steps in (1, 3, 8):
        schedule = instaflow_schedule(steps, strength)
        p, q = schedule.entry
        assert (p, q) == pytest.approx((1 - strength, strength), abs=1e-7)
        assert farthest(walk(schedule, lambda z, t: picture - path, p * picture + q * path), picture) < 1e-6
    np.testing.assert_array_equal(schedule.rows[:, 8:], [[1.0, -1.0]] * len(schedule))


def test_instaflow_enters_as_a_fader_does() -> None:
    np.testing.assert_allclose(instaflow_schedule(4, 0.6).timestep, [600, 500, 250])
    np.testing.assert_allclose(instaflow_schedule(4, 0.6, train_timesteps=10).timestep, [6, 5, 2.5])
    assert len(instaflow_schedule(4, 0.0)) == 0


@pytest.mark.parametrize("steps", [1, 2, 5])
@pytest.mark.parametrize("strength", [1.0, 0.55])
def test_meanflow_is_exact_for_any_average_velocity(steps: int, strength: float) -> None:
    # dz/dt = z is no straight line; from t to r the average velocity is z·(1 − e^(r − t))/(t − r).
    schedule, z = meanflow_schedule(steps, strength), noise(0)
    drawn = z
    for row in range(len(schedule)):
        t, r = float(schedule.timestep[row]), float(schedule.second[row])
        average = drawn * (1 - math.exp(r - t)) / (t - r)
        drawn = float(schedule.a[row]) * drawn + float(schedule.b[row]) * average
    assert farthest(drawn, z * math.exp(-strength)) < 1e-6
    assert schedule.second[-1] == 0
    np.testing.assert_array_equal(schedule.second[:-1], schedule.timestep[1:])


def test_meanflow_solves_a_straight_field_in_any_number_of_steps() -> None:
    picture, path = noise(1), noise(2)
    for steps in (1, 3, 8):
        schedule = meanflow_schedule(steps, 0.7)
        p, q = schedule.entry
        assert farthest(walk(schedule, lambda z, t: path - picture, p * picture + q * path), picture) < 1e-6


def test_meanflow_times_are_the_papers_or_scaled() -> None:
    np.testing.assert_allclose(meanflow_schedule(4, 0.6).timestep, [0.6, 0.5, 0.25])
    scaled = meanflow_schedule(4, 0.6, train_timesteps=1000)
    np.testing.assert_allclose(scaled.timestep, [600, 500, 250])
    np.testing.assert_allclose(scaled.second, [500, 250, 0])
    assert torch.equal(walk(scaled, bent(1e9), noise(0)), walk(meanflow_schedule(4, 0.6), bent(1e9), noise(0)))


@pytest.mark.parametrize("family", [instaflow_schedule, meanflow_schedule])
@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"steps": 0}, "steps is 0; it must be a whole number of 1 or more"),
        ({"strength": float("nan")}, "strength is nan"),
        ({"train_timesteps": 0}, "train_timesteps is 0"),
    ],
)
def test_what_can_not_be_is_refused_by_name(family, settings: dict[str, float], says: str) -> None:
    with pytest.raises(ScheduleError, match=says):
        family(**({"steps": 4, "strength": 0.5} | settings))
