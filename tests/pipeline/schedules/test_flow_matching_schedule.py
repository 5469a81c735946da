"""Flow matching: the continuous strength, and diffusers' FlowMatchEulerDiscreteScheduler in all its shifts."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from diffusers import FlowMatchEulerDiscreteScheduler
from diffusers.pipelines.flux.pipeline_flux import calculate_shift
from diffusers.pipelines.flux2.pipeline_flux2_klein import compute_empirical_mu
from diffusers.schedulers import scheduling_flow_match_euler_discrete
from hypothesis import given, settings
from hypothesis import strategies as st
from walking import bent, farthest, noise, walk

from pipeline.schedule import FlowSchedule
from pipeline.schedules.flow_matching import empirical_mu, flow_matching_schedule, linear_mu
from pipeline.schedules.strength import SHORTEST_STEP
from presets.errors import ScheduleError


def sigmas(schedule: FlowSchedule) -> np.ndarray:
    return schedule.timestep / 1000


def test_full_strength_is_the_whole_grid_from_pure_noise() -> None:
    schedule = flow_matching_schedule(4, 1.0)
    np.testing.assert_allclose(sigmas(schedule), [1, 0.75, 0.5, 0.25])
    np.testing.assert_allclose(schedule.b, [-0.25] * 4)
    np.testing.assert_array_equal(schedule.a, 1)
    np.testing.assert_array_equal(schedule.c, 0)
    np.testing.assert_array_equal(schedule.scale, 1)
    assert schedule.entry == (0.0, 1.0)


def test_a_lower_strength_starts_there_and_takes_the_grid_below_it() -> None:
    schedule = flow_matching_schedule(4, 0.6)
    np.testing.assert_allclose(sigmas(schedule), [0.6, 0.5, 0.25], rtol=1e-6)
    np.testing.assert_allclose(schedule.b, [-0.1, -0.25, -0.25], rtol=1e-6)
    assert schedule.entry == pytest.approx((0.4, 0.6))


def test_strength_on_a_grid_point_makes_no_vanishing_step() -> None:
    for strength in (0.75, 0.75 + SHORTEST_STEP / 2, 0.75 - SHORTEST_STEP / 2):
        assert len(flow_matching_schedule(4, strength)) == 3


def test_no_strength_passes_the_picture_through() -> None:
    for strength in (0, 0.0, SHORTEST_STEP / 2):
        schedule = flow_matching_schedule(4, strength)
        assert (len(schedule), schedule.entry) == (0, (1.0, 0.0))


def test_full_strength_keeps_grid_points_however_close() -> None:
    # Shifted so far, a hundred steps begin within less than a training timestep of each other.
    assert len(flow_matching_schedule(100, 1.0, shift=12.0)) == 100
    assert len(flow_matching_schedule(100, 0.9999, shift=12.0)) < 100


@settings(deadline=None)
@given(steps=st.integers(1, 50), strength=st.floats(0, 1), shift=st.floats(0.2, 12))
def test_every_schedule_walks_down_to_the_clean_picture(steps: int, strength: float, shift: float) -> None:
    schedule = flow_matching_schedule(steps, strength, shift=shift)
    assert len(schedule) <= steps
    if len(schedule) == 0:
        assert schedule.entry == (1.0, 0.0)
        return
    assert schedule.entry[1] == pytest.approx(strength, rel=1e-6)
    assert sum(schedule.entry) == pytest.approx(1)
    assert np.all(schedule.b < 0)
    assert -schedule.b.sum(dtype=np.float64) == pytest.approx(strength, rel=1e-5)
    gaps = -np.diff(np.append(schedule.timestep, 0)) / 1000
    np.testing.assert_allclose(gaps, -schedule.b, atol=1e-6)
    assert gaps[0] > SHORTEST_STEP * 0.99 or len(schedule) == 1


FLUX_2_KLEIN = {"shift": 3.0, "use_dynamic_shifting": True}
"""As in its scheduler_config.json: the static shift stands there and is not looked at."""

CASES: dict[str, tuple[dict[str, Any], Callable[[int], dict[str, Any]], Callable[[int], dict[str, Any]]]] = {
    # The scheduler's configuration; its set_timesteps for N steps; our settings.
    "its own grid": ({}, lambda n: {}, lambda n: {"sigmas": "scheduler"}),
    "its own grid, SD3": ({"shift": 3.0}, lambda n: {}, lambda n: {"shift": 3.0, "sigmas": "scheduler"}),
    "its own grid, dynamic": (
        {"use_dynamic_shifting": True},
        lambda n: {"mu": 0.8},
        lambda n: {"mu": 0.8, "sigmas": "scheduler"},
    ),
    "other timesteps": (
        {"num_train_timesteps": 400, "shift": 1.7},
        lambda n: {},
        lambda n: {"shift": 1.7, "sigmas": "scheduler", "train_timesteps": 400},
    ),
    "a pipeline's, Z-Image": (
        {"shift": 3.0},
        lambda n: {"sigmas": np.linspace(1.0, 1 / n, n), "mu": 1.15},
        lambda n: {"shift": 3.0},
    ),
    "a pipeline's, FLUX.1-dev": (
        {"shift": 3.0, "use_dynamic_shifting": True},
        lambda n: {"sigmas": np.linspace(1.0, 1 / n, n), "mu": calculate_shift(1024)},
        lambda n: {"shift": 3.0, "mu": linear_mu(1024)},
    ),
    "a pipeline's, FLUX.2-klein": (
        FLUX_2_KLEIN,
        lambda n: {"sigmas": np.linspace(1.0, 1 / n, n), "mu": compute_empirical_mu(1024, n)},
        lambda n: {"mu": empirical_mu(1024, n)},
    ),
    "given": (
        {"shift": 2.0},
        lambda n: {"sigmas": [0.9**k for k in range(1, n + 1)]},
        lambda n: {"shift": 2.0, "sigmas": tuple(0.9**k for k in range(1, n + 1))},
    ),
    "terminal": (
        {"shift_terminal": 0.1, "use_dynamic_shifting": True},
        lambda n: {"sigmas": np.linspace(1.0, 1 / n, n), "mu": 1.9},
        lambda n: {"shift_terminal": 0.1, "mu": 1.9},
    ),
}


def theirs(case: str, steps: int, **configuration: Any) -> FlowMatchEulerDiscreteScheduler:
    config, arguments, _ = CASES[case]
    scheduler = FlowMatchEulerDiscreteScheduler(**config, **configuration)
    told = arguments(steps)
    scheduler.set_timesteps(None if "sigmas" in told else steps, **told)
    return scheduler


@pytest.mark.parametrize(
    ("case", "steps"),
    # To stretch a grid of one step diffusers divides by zero.
    [(case, steps) for case in CASES for steps in (1, 2, 4, 9, 28) if (case, steps) != ("terminal", 1)],
)
def test_the_sigmas_are_those_of_diffusers(case: str, steps: int) -> None:
    scheduler = theirs(case, steps)
    schedule = flow_matching_schedule(steps, 1.0, **CASES[case][2](steps))
    np.testing.assert_allclose(schedule.timestep, scheduler.timesteps.numpy(), rtol=2e-6)
    at = scheduler.sigmas.double().numpy()
    np.testing.assert_allclose(schedule.b, np.diff(at), rtol=1e-5, atol=2e-7)
    assert schedule.entry == pytest.approx((1 - at[0], at[0]), abs=1e-6)


def test_stable_diffusion_3_by_its_own_grid() -> None:
    # Kept in the project's notes from the model's own pipeline; the last σ is diffusers' double shift.
    schedule = flow_matching_schedule(4, 1.0, shift=3.0, sigmas="scheduler")
    np.testing.assert_allclose(sigmas(schedule), [1, 0.8577, 0.6022, 0.0089], atol=5e-5)


@pytest.mark.parametrize("case", CASES)
def test_a_whole_run_ends_where_that_of_diffusers_does(case: str) -> None:
    scheduler, network = theirs(case, 5), bent(300.0)
    z = start = noise(0, torch.float32)
    for t in scheduler.timesteps:
        z = scheduler.step(network(z, float(t)), t, z).prev_sample
    ours = walk(flow_matching_schedule(5, 1.0, **CASES[case][2](5)), network, start)
    assert farthest(ours, z) < 1e-5
    assert farthest(start, z) > 1e-2


@pytest.mark.parametrize("case", CASES)
def test_a_stochastic_run_ends_where_that_of_diffusers_does(case: str, monkeypatch: pytest.MonkeyPatch) -> None:
    fresh = [noise(10 + row, torch.float32) for row in range(5)]
    waiting = iter(fresh)
    monkeypatch.setattr(scheduling_flow_match_euler_discrete, "randn_tensor", lambda *_, **__: next(waiting))
    scheduler, network = theirs(case, 5, stochastic_sampling=True), bent(300.0)
    z = start = noise(0, torch.float32)
    for t in scheduler.timesteps:
        z = scheduler.step(network(z, float(t)), t, z).prev_sample
    schedule = flow_matching_schedule(5, 1.0, stochastic=True, **CASES[case][2](5))
    assert farthest(walk(schedule, network, start, fresh), z) < 1e-5
    assert farthest(walk(schedule, network, start, fresh[::-1]), z) > 1e-2


@pytest.mark.parametrize("stochastic", [False, True])
def test_a_strength_of_a_grid_point_is_an_image_to_image_run_of_diffusers(
    stochastic: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    fresh = [noise(10 + row, torch.float32) for row in range(4)]
    waiting = iter(fresh)
    monkeypatch.setattr(scheduling_flow_match_euler_discrete, "randn_tensor", lambda *_, **__: next(waiting))
    scheduler, network = theirs("a pipeline's, Z-Image", 6, stochastic_sampling=stochastic), bent(300.0)
    timesteps = scheduler.timesteps[2:]
    scheduler.set_begin_index(2)
    picture, path = noise(1, torch.float32), noise(2, torch.float32)
    z = scheduler.scale_noise(picture, timesteps[:1], path)
    for t in timesteps:
        z = scheduler.step(network(z, float(t)), t, z).prev_sample
    schedule = flow_matching_schedule(6, float(scheduler.sigmas[2]), shift=3.0, stochastic=stochastic)
    p, q = schedule.entry
    assert farthest(walk(schedule, network, p * picture + q * path, fresh), z) < 1e-5


def test_what_the_network_is_given_and_answers() -> None:
    plain = flow_matching_schedule(4, 0.8, shift=3.0)
    direct = flow_matching_schedule(4, 0.8, shift=3.0, given="sigma")
    mirrored = flow_matching_schedule(4, 0.8, shift=3.0, given="remaining", negated=True)
    np.testing.assert_allclose(direct.timestep, plain.timestep / 1000, rtol=1e-6)
    # Z-Image's pipeline: the transformer is given (1000 − t)/1000, and its answer negated.
    np.testing.assert_allclose(mirrored.timestep, (1000 - plain.timestep) / 1000, rtol=1e-5)
    network = bent(1.0)
    entry = noise(3)
    expected = walk(plain, lambda z, t: -network(z, (1000 - t) / 1000), entry)
    assert farthest(walk(mirrored, network, entry), expected) < 1e-5
    np.testing.assert_array_equal(mirrored.rows[:, 8:], -plain.rows[:, 8:])


def test_the_dynamic_shifts_of_flux() -> None:
    for tokens in (256, 1024, 4096, 9000):
        assert linear_mu(tokens) == pytest.approx(calculate_shift(tokens))
        for steps in (1, 4, 50):
            assert empirical_mu(tokens, steps) == pytest.approx(compute_empirical_mu(tokens, steps))
    told = {"base_tokens": 100, "most_tokens": 900, "base_shift": 0.2, "most_shift": 2.0}
    assert linear_mu(500, **told) == pytest.approx(calculate_shift(500, *told.values()))
    with pytest.raises(ScheduleError, match="base_tokens and most_tokens are both 9"):
        linear_mu(4, base_tokens=9, most_tokens=9)


def test_one_step_has_nothing_to_stretch() -> None:
    assert flow_matching_schedule(1, 1.0, shift_terminal=0.1).timestep == [1000]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"steps": 0}, "steps is 0; it must be a whole number of 1 or more"),
        ({"steps": -3}, "steps is -3"),
        ({"steps": 2.5}, "steps is 2.5"),
        ({"strength": float("nan")}, "strength is nan; it must be a number from 0"),
        ({"strength": 1.1}, "strength is 1.1"),
        ({"strength": -0.1}, "strength is -0.1"),
        ({"shift": 0.0}, "shift is 0.0; it must be a finite number above 0"),
        ({"shift": float("inf")}, "shift is inf"),
        ({"mu": float("nan")}, "mu is nan; it must be a number from -20 to 20"),
        ({"mu": 21.0}, "mu is 21.0"),
        ({"train_timesteps": 0}, "train_timesteps is 0"),
        ({"given": "time"}, "given is 'time'; it is one of timestep, sigma, remaining"),
        ({"sigmas": "mine"}, "sigmas is 'mine'; it is pipeline, scheduler, or numbers"),
        ({"sigmas": (1.0, 0.5)}, r"sigmas is \(1.0, 0.5\); it must be 4 numbers"),
        ({"sigmas": (1.0, 0.5, 0.5, 0.2)}, "sigmas is"),
        ({"sigmas": (1.2, 0.7, 0.5, 0.2)}, "sigmas is"),
        ({"sigmas": (1.0, 0.7, 0.5, 0.0)}, "sigmas is"),
        ({"sigmas": (1.0, float("nan"), 0.5, 0.2)}, "sigmas is"),
        ({"shift_terminal": 1.0}, "shift_terminal is 1.0; it must lie between 0 and 1"),
    ],
)
def test_what_can_not_be_is_refused_by_name(arguments: dict[str, Any], says: str) -> None:
    with pytest.raises(ScheduleError, match=says):
        flow_matching_schedule(**({"steps": 4, "strength": 0.5} | arguments))
