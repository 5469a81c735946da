"""PeRFlow's tables: equality with the authors' loop, continuous strength, and fewer steps than windows."""

import math
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from reference_solver import Network, noise, nonlinear_network, relative_error, solve

from pipeline.schedule import COLUMNS, FlowSchedule
from pipeline.schedules.alphas import alphas_cumprod
from pipeline.schedules.perflow import perflow_schedule
from pipeline.schedules.perflow_windows import PREDICTION_TYPES
from presets.errors import ScheduleError

KINDS = st.sampled_from(PREDICTION_TYPES)
ALPHAS = alphas_cumprod().tolist()


def column(schedule: FlowSchedule, name: str) -> np.ndarray:
    return schedule.rows[:, COLUMNS.index(name)].astype(np.float64)


def authors_loop(z: torch.Tensor, timesteps: list[int], network: Network, kind: str, windows: int) -> torch.Tensor:
    """Return the result of the paper's loop: predict the end of the window, and go part of the way to it."""
    for timestep, following in pairwise([*timesteps, 0]):
        time, out = timestep / 1000, network(z, float(timestep))
        index = 0
        while time - 1e-4 <= (windows - index - 1) / windows:
            index += 1
        start, end = (windows - index) / windows, (windows - index - 1) / windows
        kept_start, kept_end = (ALPHAS[max(int(edge * 1000 - 1 + 1e-6), 0)] for edge in (start, end))
        if kind == "velocity":
            velocity = out
        else:
            lam = math.sqrt(kept_end / kept_start)
            if kind == "ddim_eps":
                eta = math.sqrt(1 - kept_end) - lam * math.sqrt(1 - kept_start)
            else:
                gamma = math.sqrt(kept_start / kept_end)
                eta = -math.sqrt(1 - gamma**2) / gamma
            distance = lam * (time - start) + (end - time)
            window_end = lam * (end - start) / distance * z + eta * (end - time) / distance * out
            velocity = (window_end - z) / (end - time)
        z = z + (following - timestep) / 1000 * velocity
    return z


@pytest.mark.parametrize("kind", PREDICTION_TYPES)
@pytest.mark.parametrize(("windows", "steps"), [(4, 4), (4, 6), (4, 9), (4, 2), (1, 3), (3, 3), (7, 20), (10, 50)])
def test_diffusers_rule_equals_authors_loop(kind: Any, windows: int, steps: int) -> None:
    schedule = perflow_schedule(steps, 1.0, prediction_type=kind, num_time_windows=windows, rule="diffusers")
    assert len(schedule) == max(steps, windows)
    network, start = nonlinear_network(400.0), noise(0)
    timesteps = [int(timestep) for timestep in schedule.timestep]
    expected = authors_loop(start, timesteps, network, kind, windows)
    assert relative_error(solve(schedule, network, start), expected) < 1e-5
    # If all boundaries are timesteps, the continuous rule is the same loop.
    ours = perflow_schedule(steps, 1.0, prediction_type=kind, num_time_windows=windows)
    if 1000 % windows == 0 and steps >= windows:
        assert relative_error(solve(ours, network, start), expected) < 1e-5


@pytest.mark.parametrize(("strength", "rows"), [(1.0, 8), (0.8, 6), (0.75, 6), (0.7, 5), (0.12, 0), (0.0, 0)])
def test_diffusers_rule_entry(strength: float, rows: int) -> None:
    schedule = perflow_schedule(8, strength, rule="diffusers")
    whole = perflow_schedule(8, 1.0, rule="diffusers")
    np.testing.assert_array_equal(schedule.rows, whole.rows[8 - rows :])
    if rows:
        alpha = ALPHAS[int(schedule.timestep[0]) - 1]
        assert schedule.entry == pytest.approx((math.sqrt(alpha), math.sqrt(1 - alpha)), rel=1e-6)


def test_full_strength_is_authors_grid() -> None:
    schedule = perflow_schedule(4, 1.0)
    np.testing.assert_array_equal(schedule.timestep, [1000, 750, 500, 250])
    # With one step a window, a and b are λ and η.
    np.testing.assert_allclose(schedule.a, [3.485786, 2.214450, 1.559649, 1.216254], atol=1e-6)
    np.testing.assert_allclose(schedule.b, [-2.506379, -1.300941, -0.755837, -0.663755], atol=1e-6)
    assert schedule.init_noise_sigma == 1.0
    assert schedule.entry == pytest.approx((math.sqrt(ALPHAS[999]), math.sqrt(1 - ALPHAS[999])), rel=1e-6)
    np.testing.assert_array_equal(perflow_schedule(6, 1.0).timestep, [1000, 875, 750, 625, 500, 250])
    np.testing.assert_array_equal(perflow_schedule(9, 1.0).timestep[:3], [1000, 916, 833])


@pytest.mark.parametrize("kind", PREDICTION_TYPES)
def test_entry_inside_a_window(kind: Any) -> None:
    schedule = perflow_schedule(4, 0.6, prediction_type=kind)
    np.testing.assert_allclose(schedule.timestep, [600, 500, 250])
    ends = [np.array([math.sqrt(ALPHAS[at]), math.sqrt(1 - ALPHAS[at])]) for at in (749, 499)]
    np.testing.assert_allclose(schedule.entry, 0.4 * ends[0] + 0.6 * ends[1], rtol=1e-6)
    network, entry = nonlinear_network(400.0), noise(4)
    expected = authors_loop(entry, [600, 500, 250], network, kind, 4)
    assert relative_error(solve(schedule, network, entry), expected) < 1e-5


def test_entry_snaps_to_a_grid_point() -> None:
    exact = perflow_schedule(4, 0.75)
    for strength in (0.75, 0.7505, 0.75099):
        np.testing.assert_array_equal(perflow_schedule(4, strength).rows, exact.rows)
    np.testing.assert_allclose(perflow_schedule(4, 0.752).timestep, [752, 750, 500, 250])
    np.testing.assert_allclose(perflow_schedule(4, 0.7495).timestep, [749.5, 500, 250])
    for strength in (0.0, 0.0005):
        assert perflow_schedule(4, strength).entry == (1.0, 0.0)
        assert len(perflow_schedule(4, strength)) == 0
    assert len(perflow_schedule(4, 0.002)) == 1


def test_fractional_boundaries_are_exact() -> None:
    schedule = perflow_schedule(3, 1.0, num_time_windows=3)
    np.testing.assert_array_equal(schedule.timestep, [1000, 666, 333])
    original = perflow_schedule(3, 1.0, num_time_windows=3, rule="diffusers")
    np.testing.assert_array_equal(original.timestep, schedule.timestep)
    # ᾱ at 2/3 and 1/3 of 1000 timesteps. The authors' last step starts a third of a timestep lower.
    alpha = [ALPHAS[999], ALPHAS[665], ALPHAS[332]]
    np.testing.assert_allclose(column(schedule, "p"), np.sqrt(alpha), rtol=1e-6)
    after = [ALPHAS[665], ALPHAS[332], ALPHAS[0]]
    np.testing.assert_allclose(schedule.a, np.sqrt(np.divide(after, alpha)), rtol=1e-6)
    assert np.abs(schedule.a - original.a).max() > 1e-4


@pytest.mark.parametrize("steps", [1, 2, 3])
def test_fewer_steps_use_wider_windows(steps: int) -> None:
    schedule = perflow_schedule(steps, 1.0)
    np.testing.assert_array_equal(schedule.timestep, np.floor(1000 * np.arange(steps, 0, -1) / steps))
    p, q = (np.append(column(schedule, name), end) for name, end in (("p", ALPHAS[0] ** 0.5), ("q", 0.00085**0.5)))
    lam = p[1:] / p[:-1]
    np.testing.assert_allclose(schedule.a, lam, rtol=1e-5)
    np.testing.assert_allclose(schedule.b, q[1:] - lam * q[:-1], rtol=1e-5)
    # The other prediction types cross the same windows with other coefficients.
    for kind in ("diff_eps", "velocity"):
        other = perflow_schedule(steps, 1.0, prediction_type=kind)
        np.testing.assert_array_equal(column(other, "p"), column(schedule, "p"))
        assert np.abs(other.b / schedule.b - 1).max() > 0.05


def test_diff_eps_in_a_wider_window() -> None:
    # The network predicts 0.7506 of the noise in its first window. One window over all would have 0.998 of it.
    schedule = perflow_schedule(1, 1.0, prediction_type="diff_eps")
    assert column(schedule, "out_n")[0] == pytest.approx(0.750578, abs=1e-6)
    x, path = noise(5), noise(6)
    p, q = schedule.entry
    result = solve(schedule, lambda z, t: 0.750578 * path, p * x + q * path)
    assert relative_error(result, math.sqrt(ALPHAS[0]) * x + math.sqrt(1 - ALPHAS[0]) * path) < 1e-4


@settings(deadline=None)
@given(kind=KINDS, steps=st.integers(1, 1000), strength=st.floats(0.002, 1), windows=st.integers(1, 12))
def test_every_boundary_is_a_row(kind: Any, steps: int, strength: float, windows: int) -> None:
    schedule = perflow_schedule(max(steps, windows), strength, prediction_type=kind, num_time_windows=windows)
    rows = dict(zip(schedule.timestep.tolist(), column(schedule, "p").tolist(), strict=True))
    for count in range(1, windows + 1):
        boundary = count / windows
        if boundary <= strength:
            alpha = ALPHAS[int(boundary * 1000 - 1 + 1e-6)]
            assert rows[int(boundary * 1000 + 1e-6)] == pytest.approx(math.sqrt(alpha), rel=1e-6)


def test_t_noise_and_t_clean() -> None:
    schedule = perflow_schedule(4, 1.0, t_noise=0.9, t_clean=0.1)
    np.testing.assert_array_equal(schedule.timestep, [900, 750, 500, 250])
    assert schedule.a[-1] == pytest.approx(math.sqrt(ALPHAS[99] / ALPHAS[249]), rel=1e-6)
    assert perflow_schedule(4, 0.5, t_noise=0.9, t_clean=0.1).timestep[0] == 500
    assert len(perflow_schedule(4, 0.001, t_noise=0.9, t_clean=0.1)) == 0


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"steps": 0}, "steps is 0; it must be a whole number of 1 or more"),
        ({"steps": 1001}, "steps is 1001; it must be at most num_train_timesteps, 1000"),
        ({"strength": float("nan")}, "strength is nan"),
        ({"prediction_type": "epsilon"}, "prediction_type is 'epsilon'; it is one of ddim_eps, diff_eps, velocity"),
        ({"num_time_windows": 0}, "num_time_windows is 0"),
        ({"num_train_timesteps": 0}, "train_timesteps is 0"),
        ({"beta_start": 0.0}, "beta_start is 0.0"),
        ({"beta_schedule": "cosine"}, "beta_schedule is 'cosine'"),
        ({"t_clean": 1.0}, "t_clean is 1.0"),
        ({"rule": "mine"}, "rule is 'mine'; it is one of continuous, diffusers"),
    ],
)
def test_bad_setting_is_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ScheduleError, match=message):
        perflow_schedule(**({"steps": 4, "strength": 0.5} | settings))


@pytest.mark.parametrize("total", [8, 50, 1000])
def test_any_strength_and_train_timesteps(total: int) -> None:
    for strength in np.concatenate([np.geomspace(1e-6, 1.0, 60), [0.0, 0.1 / total, 0.1001 / total]]):
        schedule = perflow_schedule(4, min(float(strength), 1.0), num_train_timesteps=total)
        assert len(schedule) <= 4
        assert len(schedule) or strength <= max(1e-3, 0.11 / total)
