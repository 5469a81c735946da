"""Flow matching: continuous strength, and equality with diffusers' FlowMatchEulerDiscreteScheduler in all shifts."""

from collections.abc import Callable
from functools import partial
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
from reference_solver import noise, nonlinear_network, relative_error, solve

from pipeline.guidance import Guidance, GuidanceKind, predicted_clean, step_coefficients
from pipeline.schedule import SHORTEST_STEP, FlowSchedule
from pipeline.schedules.dynamic_shift import empirical_mu, linear_mu
from pipeline.schedules.flow_matching import flow_matching_schedule
from presets.errors import ScheduleError


def sigmas(schedule: FlowSchedule) -> np.ndarray:
    return schedule.timestep / 1000


def test_full_strength_is_whole_grid() -> None:
    schedule = flow_matching_schedule(4, 1.0)
    np.testing.assert_allclose(sigmas(schedule), [1, 0.75, 0.5, 0.25])
    np.testing.assert_allclose(schedule.b, [-0.25] * 4)
    np.testing.assert_array_equal(schedule.a, 1)
    np.testing.assert_array_equal(schedule.c, 0)
    np.testing.assert_array_equal(schedule.input_scale, 1)
    assert schedule.entry == (0.0, 1.0)


def test_lower_strength_starts_lower() -> None:
    schedule = flow_matching_schedule(4, 0.6)
    np.testing.assert_allclose(sigmas(schedule), [0.6, 0.5, 0.25], rtol=1e-6)
    np.testing.assert_allclose(schedule.b, [-0.1, -0.25, -0.25], rtol=1e-6)
    assert schedule.entry == pytest.approx((0.4, 0.6))


def test_no_step_is_too_short() -> None:
    for strength in (0.75, 0.75 + SHORTEST_STEP / 2, 0.75 - SHORTEST_STEP / 2):
        assert len(flow_matching_schedule(4, strength)) == 3


def test_zero_strength_is_empty() -> None:
    for strength in (0, 0.0, SHORTEST_STEP / 2):
        schedule = flow_matching_schedule(4, strength)
        assert (len(schedule), schedule.entry) == (0, (1.0, 0.0))


def test_full_strength_keeps_close_points() -> None:
    # With this shift, the first of a hundred steps are shorter than a training timestep.
    assert len(flow_matching_schedule(100, 1.0, shift=12.0)) == 100
    assert len(flow_matching_schedule(100, 0.9999, shift=12.0)) < 100


@settings(deadline=None)
@given(steps=st.integers(1, 50), strength=st.floats(0, 1), shift=st.floats(0.2, 12))
def test_steps_add_up_to_the_strength(steps: int, strength: float, shift: float) -> None:
    schedule = flow_matching_schedule(steps, strength, shift=shift)
    assert len(schedule) <= steps
    if len(schedule) == 0:
        assert schedule.entry == (1.0, 0.0)
        return
    entry = max(shift * strength / (1 + (shift - 1) * strength), SHORTEST_STEP)
    assert schedule.entry[1] == pytest.approx(entry, rel=1e-6)
    assert sum(schedule.entry) == pytest.approx(1)
    assert np.all(schedule.b < 0)
    assert -schedule.b.sum(dtype=np.float64) == pytest.approx(entry, rel=1e-5)
    gaps = -np.diff(np.append(schedule.timestep, 0)) / 1000
    np.testing.assert_allclose(gaps, -schedule.b, atol=1e-6)
    assert gaps[0] > SHORTEST_STEP * 0.99 or len(schedule) == 1


FLUX_2_KLEIN = {"shift": 3.0, "use_dynamic_shifting": True}
"""Configuration of the model, in which the static shift is set and ignored."""

CASES: dict[str, tuple[dict[str, Any], Callable[[int], dict[str, Any]], Callable[[int], dict[str, Any]]]] = {
    # Configuration of diffusers' scheduler; its set_timesteps arguments for N steps; our settings.
    "default grid": ({}, lambda n: {}, lambda n: {"sigmas": "scheduler"}),
    "default grid, SD3": ({"shift": 3.0}, lambda n: {}, lambda n: {"shift": 3.0, "sigmas": "scheduler"}),
    "default grid, dynamic": (
        {"use_dynamic_shifting": True},
        lambda n: {"mu": 0.8},
        lambda n: {"mu": 0.8, "sigmas": "scheduler"},
    ),
    "other timesteps": (
        {"num_train_timesteps": 400, "shift": 1.7},
        lambda n: {},
        lambda n: {"shift": 1.7, "sigmas": "scheduler", "train_timesteps": 400},
    ),
    "pipeline grid, Z-Image": (
        {"shift": 3.0},
        lambda n: {"sigmas": np.linspace(1.0, 1 / n, n), "mu": 1.15},
        lambda n: {"shift": 3.0},
    ),
    "pipeline grid, FLUX.1-dev": (
        {"shift": 3.0, "use_dynamic_shifting": True},
        lambda n: {"sigmas": np.linspace(1.0, 1 / n, n), "mu": calculate_shift(1024)},
        lambda n: {"shift": 3.0, "mu": linear_mu(1024)},
    ),
    "pipeline grid, FLUX.2-klein": (
        FLUX_2_KLEIN,
        lambda n: {"sigmas": np.linspace(1.0, 1 / n, n), "mu": compute_empirical_mu(1024, n)},
        lambda n: {"mu": empirical_mu(1024, n)},
    ),
    "explicit sigmas": (
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


def diffusers_scheduler(case: str, steps: int, **configuration: Any) -> FlowMatchEulerDiscreteScheduler:
    config, arguments, _ = CASES[case]
    scheduler = FlowMatchEulerDiscreteScheduler(**config, **configuration)
    given = arguments(steps)
    scheduler.set_timesteps(None if "sigmas" in given else steps, **given)
    return scheduler


@pytest.mark.parametrize(
    ("case", "steps"),
    # diffusers divides by zero when it stretches a grid of one step.
    [(case, steps) for case in CASES for steps in (1, 2, 4, 9, 28) if (case, steps) != ("terminal", 1)],
)
def test_sigmas_equal_diffusers(case: str, steps: int) -> None:
    scheduler = diffusers_scheduler(case, steps)
    schedule = flow_matching_schedule(steps, 1.0, **CASES[case][2](steps))
    np.testing.assert_allclose(schedule.timestep, scheduler.timesteps.numpy(), rtol=2e-6)
    at = scheduler.sigmas.double().numpy()
    np.testing.assert_allclose(schedule.b, np.diff(at), rtol=1e-5, atol=2e-7)
    assert schedule.entry == pytest.approx((1 - at[0], at[0]), abs=1e-6)


def test_sd3_default_grid() -> None:
    # Measured with the model's own pipeline. The last σ is small because diffusers shifts it twice.
    schedule = flow_matching_schedule(4, 1.0, shift=3.0, sigmas="scheduler")
    np.testing.assert_allclose(sigmas(schedule), [1, 0.8577, 0.6022, 0.0089], atol=5e-5)


@pytest.mark.parametrize("case", CASES)
def test_run_equals_diffusers(case: str) -> None:
    scheduler, network = diffusers_scheduler(case, 5), nonlinear_network(300.0)
    z = start = noise(0, torch.float32)
    for t in scheduler.timesteps:
        z = scheduler.step(network(z, float(t)), t, z).prev_sample
    ours = solve(flow_matching_schedule(5, 1.0, **CASES[case][2](5)), network, start)
    assert relative_error(ours, z) < 1e-5
    assert relative_error(start, z) > 1e-2


@pytest.mark.parametrize("case", CASES)
def test_stochastic_run_equals_diffusers(case: str, monkeypatch: pytest.MonkeyPatch) -> None:
    fresh = [noise(10 + row, torch.float32) for row in range(5)]
    remaining = iter(fresh)
    monkeypatch.setattr(scheduling_flow_match_euler_discrete, "randn_tensor", lambda *_, **__: next(remaining))
    scheduler, network = diffusers_scheduler(case, 5, stochastic_sampling=True), nonlinear_network(300.0)
    z = start = noise(0, torch.float32)
    for t in scheduler.timesteps:
        z = scheduler.step(network(z, float(t)), t, z).prev_sample
    schedule = flow_matching_schedule(5, 1.0, stochastic=True, **CASES[case][2](5))
    assert relative_error(solve(schedule, network, start, fresh), z) < 1e-5
    assert relative_error(solve(schedule, network, start, fresh[::-1]), z) > 1e-2


@pytest.mark.parametrize("stochastic", [False, True])
def test_strength_equals_diffusers_img2img(stochastic: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    fresh = [noise(10 + row, torch.float32) for row in range(4)]
    remaining = iter(fresh)
    monkeypatch.setattr(scheduling_flow_match_euler_discrete, "randn_tensor", lambda *_, **__: next(remaining))
    scheduler, network = (
        diffusers_scheduler("pipeline grid, Z-Image", 6, stochastic_sampling=stochastic),
        nonlinear_network(300.0),
    )
    timesteps = scheduler.timesteps[2:]
    scheduler.set_begin_index(2)
    x, path = noise(1, torch.float32), noise(2, torch.float32)
    z = scheduler.scale_noise(x, timesteps[:1], path)
    for t in timesteps:
        z = scheduler.step(network(z, float(t)), t, z).prev_sample
    schedule = flow_matching_schedule(6, 4 / 6, shift=3.0, stochastic=stochastic)
    p, q = schedule.entry
    assert relative_error(solve(schedule, network, p * x + q * path, fresh), z) < 1e-5


@settings(deadline=None)
@given(
    steps=st.integers(1, 30),
    shift=st.floats(0.3, 6),
    mu=st.none() | st.floats(-1, 2.5),
    terminal=st.none() | st.floats(0.02, 0.3),
    data=st.data(),
)
def test_strength_counts_steps(
    steps: int, shift: float, mu: float | None, terminal: float | None, data: st.DataObject
) -> None:
    """Strength n/steps is the last n rows of the whole grid, as in diffusers' pipelines, under every shift."""
    kept = data.draw(st.integers(1, steps))
    make = partial(flow_matching_schedule, steps, shift=shift, mu=mu, shift_terminal=terminal)
    np.testing.assert_allclose(make(kept / steps).rows, make(1.0).rows[steps - kept :], rtol=1e-5, atol=1e-6)


@settings(deadline=None)
@given(
    steps=st.integers(1, 8),
    shift=st.floats(1, 6),
    mu=st.none() | st.floats(0, 2.5),
    terminal=st.none() | st.floats(0.02, 0.3),
)
def test_fader_moves_evenly(steps: int, shift: float, mu: float | None, terminal: float | None) -> None:
    """The noise that a frame enters with rises with each move of the fader, from none to all, without a jump."""
    make = partial(flow_matching_schedule, steps, shift=shift, mu=mu, shift_terminal=terminal)
    noise_in = [np.array([make(place).entry[1] for place in np.linspace(0.01, 1, count)]) for count in (101, 201)]
    moves = [np.diff(entries) for entries in noise_in]
    for entries, move in zip(noise_in, moves, strict=True):
        assert np.all(move[entries[1:] > SHORTEST_STEP * 1.01] > 0)
    assert moves[1].max() < 0.6 * moves[0].max(), "half a move is half the change, so nothing jumps"
    assert (make(0.0).entry[1], make(1.0).entry[1]) == (0.0, 1.0)


@settings(deadline=None)
@given(steps=st.integers(1, 9), strength=st.floats(0.01, 1), shift=st.floats(0.3, 6), stochastic=st.booleans())
def test_clean_latent_equals_velocity(steps: int, strength: float, shift: float, stochastic: bool) -> None:
    velocity = flow_matching_schedule(steps, strength, shift=shift, stochastic=stochastic)
    sample = flow_matching_schedule(steps, strength, shift=shift, stochastic=stochastic, prediction="sample")
    network, entry = nonlinear_network(300.0), noise(3)
    fresh = [noise(10 + row) for row in range(steps)]
    np.testing.assert_array_equal(sample.rows[:, [0, 1, 2, 5, 6, 7]], velocity.rows[:, [0, 1, 2, 5, 6, 7]])

    def velocity_of_sample(z: torch.Tensor, timestep: float) -> torch.Tensor:
        return (z - network(z, timestep)) / (timestep / 1000)

    expected = solve(velocity, velocity_of_sample, entry, fresh)
    assert relative_error(solve(sample, network, entry, fresh), expected) < 2e-5
    assert len(sample) == 0 or relative_error(solve(sample, velocity_of_sample, entry, fresh), expected) > 1e-3


@pytest.mark.parametrize("stochastic", [False, True])
@pytest.mark.parametrize("strength", [0.3, 1.0])
def test_point_mass_is_found(stochastic: bool, strength: float) -> None:
    """If all data is one point m, the best prediction is m, and the latent at σ' is (1 − σ')·m + σ'·n."""
    schedule = flow_matching_schedule(5, strength, shift=2.0, stochastic=stochastic, prediction="sample")
    m, n = noise(1), noise(2)
    p, q = schedule.entry
    z = p * m + q * n
    for row in range(len(schedule)):
        n = noise(10 + row) if schedule.c[row] else n
        z = float(schedule.a[row]) * z + float(schedule.b[row]) * m + float(schedule.c[row]) * n
        sigma = float(schedule.timestep[row + 1]) / 1000 if row + 1 < len(schedule) else 0.0
        assert relative_error(z, (1 - sigma) * m + sigma * n) < 1e-6
    assert relative_error(z, m) < 1e-6


@pytest.mark.parametrize("kind", ["self_negative", "free"])
def test_residual_of_clean_latent_is_anchor(kind: GuidanceKind) -> None:
    """An ideal network predicts the source itself, so the estimated output is the anchor at every row."""
    schedule = flow_matching_schedule(4, 0.9, prediction="sample")
    for index, row in enumerate(schedule.rows):
        weights = step_coefficients(row, Guidance(2.0, kind), index)
        b = float(row[4])
        assert weights == pytest.approx((float(row[3]), 2 * b, 0, -b, 0, 0, 0))
        assert predicted_clean(row) == (0.0, 1.0)


def test_time_input_and_sign() -> None:
    plain = flow_matching_schedule(4, 0.8, shift=3.0)
    direct = flow_matching_schedule(4, 0.8, shift=3.0, time_input="sigma")
    mirrored = flow_matching_schedule(4, 0.8, shift=3.0, time_input="one_minus_sigma", negated=True)
    np.testing.assert_allclose(direct.timestep, plain.timestep / 1000, rtol=1e-6)
    # Z-Image's pipeline passes (1000 − t)/1000 to the transformer and negates its output.
    np.testing.assert_allclose(mirrored.timestep, (1000 - plain.timestep) / 1000, rtol=1e-5)
    network = nonlinear_network(1.0)
    entry = noise(3)
    expected = solve(plain, lambda z, t: -network(z, (1000 - t) / 1000), entry)
    assert relative_error(solve(mirrored, network, entry), expected) < 1e-5
    np.testing.assert_array_equal(mirrored.rows[:, 8:], -plain.rows[:, 8:])


def test_flux_dynamic_shifts() -> None:
    for tokens in (256, 1024, 4096, 9000):
        assert linear_mu(tokens) == pytest.approx(calculate_shift(tokens))
        for steps in (1, 4, 50):
            assert empirical_mu(tokens, steps) == pytest.approx(compute_empirical_mu(tokens, steps))
    line = {"base_tokens": 100, "max_tokens": 900, "base_shift": 0.2, "max_shift": 2.0}
    assert linear_mu(500, **line) == pytest.approx(calculate_shift(500, *line.values()))
    with pytest.raises(ScheduleError, match="base_tokens and max_tokens are both 9"):
        linear_mu(4, base_tokens=9, max_tokens=9)


def test_single_step_is_not_stretched() -> None:
    assert flow_matching_schedule(1, 1.0, shift_terminal=0.1).timestep == [1000]


@pytest.mark.parametrize(
    ("arguments", "message"),
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
        ({"time_input": "time"}, "time_input is 'time'; it is one of timestep, sigma, one_minus_sigma"),
        ({"prediction": "epsilon"}, "prediction is 'epsilon'; it is one of velocity, sample"),
        ({"prediction": "sample", "negated": True}, "only a velocity can be negated"),
        ({"sigmas": "mine"}, "sigmas is 'mine'; it is pipeline, scheduler, or numbers"),
        ({"sigmas": (1.0, 0.5)}, r"sigmas is \(1.0, 0.5\); it must be 4 numbers"),
        ({"sigmas": (1.0, 0.5, 0.5, 0.2)}, "sigmas is"),
        ({"sigmas": (1.2, 0.7, 0.5, 0.2)}, "sigmas is"),
        ({"sigmas": (1.0, 0.7, 0.5, 0.0)}, "sigmas is"),
        ({"sigmas": (1.0, float("nan"), 0.5, 0.2)}, "sigmas is"),
        ({"shift_terminal": 1.0}, "shift_terminal is 1.0; it must lie between 0 and 1"),
    ],
)
def test_bad_setting_is_refused(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ScheduleError, match=message):
        flow_matching_schedule(**({"steps": 4, "strength": 0.5} | arguments))
