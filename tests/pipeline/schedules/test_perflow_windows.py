"""PeRFlow's windows: the golden table, look-up, the closed form of the velocity, and refusals."""

import math
from typing import Any

import numpy as np
import pytest
from diffusers import DDIMScheduler
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.schedules.alphas import alphas_cumprod
from pipeline.schedules.perflow_windows import PREDICTION_TYPES, time_windows
from presets.errors import ScheduleError

ALPHAS = alphas_cumprod()
WINDOWS = time_windows(ALPHAS)

# λ, η of ddim_eps and η of diff_eps, computed in float64 with the formulas of the authors' scheduler.
GOLDEN = [
    [3.485786, -2.506379, -3.339267],
    [2.214450, -1.300941, -1.975801],
    [1.559649, -0.755837, -1.196872],
    [1.216254, -0.663755, -0.692297],
]


def test_golden_table() -> None:
    np.testing.assert_allclose(ALPHAS[[999, 749, 499, 249]], [0.0046601, 0.0566235, 0.2776697, 0.6754324], atol=5e-8)
    assert ALPHAS[0] == pytest.approx(1 - 0.00085, abs=1e-15)
    ddim_lambda, ddim_eta = WINDOWS.lambda_eta("ddim_eps")
    diff_lambda, diff_eta = WINDOWS.lambda_eta("diff_eps")
    np.testing.assert_allclose(np.stack([ddim_lambda, ddim_eta, diff_eta], axis=1), GOLDEN, atol=5e-7)
    np.testing.assert_allclose(diff_lambda, ddim_lambda, rtol=1e-15)


@pytest.mark.parametrize("beta_schedule", ["linear", "scaled_linear", "squaredcos_cap_v2"])
@pytest.mark.parametrize("steps", [1000, 77])
def test_alphas_equal_diffusers(beta_schedule: Any, steps: int) -> None:
    theirs = DDIMScheduler(steps, beta_start=0.0004, beta_end=0.01, beta_schedule=beta_schedule).alphas_cumprod
    np.testing.assert_allclose(alphas_cumprod(steps, 0.0004, 0.01, beta_schedule), theirs.numpy(), rtol=1e-3, atol=1e-6)


def test_boundary_starts_next_window() -> None:
    times = np.array([1.0, 0.7502, 0.7501, 0.75, 0.7499, 0.5, 0.25, 0.2499, 0.0002])
    np.testing.assert_array_equal(WINDOWS.index_at(times), [0, 0, 1, 1, 1, 2, 3, 3, 3])


@settings(deadline=None)
@given(count=st.integers(1, 12), time=st.floats(0.0002, 1.0))
def test_time_lies_in_its_window(count: int, time: float) -> None:
    windows = time_windows(ALPHAS, count)
    (index,) = windows.index_at(np.array([time]))
    assert windows.ends[index] < time <= windows.starts[index] + 1.01e-4


@settings(deadline=None)
@given(
    count=st.integers(1, 12),
    time=st.floats(0.001, 1.0),
    fraction=st.floats(0, 1),
    kind=st.sampled_from(PREDICTION_TYPES),
)
def test_step_stays_on_the_chord(count: int, time: float, fraction: float, kind: Any) -> None:
    windows = time_windows(ALPHAS, count)
    (index,) = windows.index_at(np.array([time]))
    start, end = windows.starts[index], windows.ends[index]
    time = min(time, float(start))
    # A mix of the two ends of the window. The clean end of the last window has ᾱ[0].
    ends = [
        (math.sqrt(alpha), math.sqrt(1 - alpha))
        for alpha in (ALPHAS[int(start * 1000 - 1 + 1e-6)], ALPHAS[max(int(end * 1000 - 1 + 1e-6), 0)])
    ]

    def chord(time: float) -> np.ndarray:
        share = (time - end) / (start - end)
        return share * np.array(ends[0]) + (1 - share) * np.array(ends[1])

    np.testing.assert_allclose(np.concatenate(windows.path(np.array([time]))), chord(time), atol=1e-12)
    A, B = windows.velocity(np.array([time]), kind)
    answer = np.concatenate(windows.ideal_output(np.array([time]), kind))
    after = end + fraction * (time - end)
    stepped = chord(time) + (after - time) * (A * chord(time) + B * answer)
    np.testing.assert_allclose(stepped, chord(after), atol=1e-12)


@settings(deadline=None)
@given(
    time=st.floats(0.001, 1.0),
    kind=st.sampled_from(["ddim_eps", "diff_eps"]),
    z=st.floats(-3, 3),
    out=st.floats(-3, 3),
)
def test_closed_form_equals_authors_form(time: float, kind: Any, z: float, out: float) -> None:
    (index,) = WINDOWS.index_at(np.array([time]))
    start, end = (1.0, 0.75, 0.5, 0.25)[index], (0.75, 0.5, 0.25, 0.0)[index]
    lambdas, etas = WINDOWS.lambda_eta(kind)
    distance = lambdas[index] * (time - start) + (end - time)
    window_end = lambdas[index] * (end - start) / distance * z + etas[index] * (end - time) / distance * out
    A, B = WINDOWS.velocity(np.array([time]), kind)
    assert (A * z + B * out)[0] == pytest.approx((window_end - z) / (end - time), rel=1e-9, abs=1e-7)


def test_authors_timesteps() -> None:
    np.testing.assert_array_equal(WINDOWS.timesteps(4), [1000, 750, 500, 250])
    for fewer in (1, 2, 3):
        np.testing.assert_array_equal(WINDOWS.timesteps(fewer), WINDOWS.timesteps(4))
    # A remainder goes to the first windows, and times are truncated to timesteps.
    np.testing.assert_array_equal(WINDOWS.timesteps(6), [1000, 875, 750, 625, 500, 250])
    np.testing.assert_array_equal(WINDOWS.timesteps(9), [1000, 916, 833, 750, 625, 500, 375, 250, 125])
    np.testing.assert_array_equal(time_windows(ALPHAS, 3).timesteps(3), [1000, 666, 333])


@pytest.mark.parametrize("count", [3, 6, 7, 9])
def test_truncation_error_below_a_timestep(count: int) -> None:
    windows = time_windows(ALPHAS, count)
    at = windows.timesteps(count) / 1000
    overshoot = (windows.starts - at) * 1000
    assert overshoot.max() < 1.0
    assert overshoot.max() > 0.3
    np.testing.assert_array_equal(windows.index_at(at), np.arange(count))


def test_t_noise_and_t_clean() -> None:
    windows = time_windows(ALPHAS, 4, t_noise=0.9, t_clean=0.1)
    np.testing.assert_allclose(windows.starts, [0.9, 0.75, 0.5, 0.25])
    np.testing.assert_allclose(windows.ends, [0.75, 0.5, 0.25, 0.1])
    np.testing.assert_array_equal(windows.alphas_start[0], ALPHAS[899])
    np.testing.assert_array_equal(windows.alphas_end[-1], ALPHAS[99])


@pytest.mark.parametrize("time", [0.0, 1e-4, -0.5, 1.01, float("nan")])
def test_time_outside_is_refused(time: float) -> None:
    message = r"time is .*; it must be above 0.0001 and at most 1"
    for call in (
        WINDOWS.index_at,
        lambda t: WINDOWS.velocity(t, "velocity"),
        lambda t: WINDOWS.ideal_output(t, "velocity"),
    ):
        with pytest.raises(ScheduleError, match=message):
            call(np.array([0.5, time]))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"num_time_windows": 0}, "num_time_windows is 0; it must be a whole number from 1 to 500"),
        ({"num_time_windows": 501}, "num_time_windows is 501"),
        ({"num_time_windows": 1.5}, "num_time_windows is 1.5"),
        ({"t_clean": 1.0}, "t_clean is 1.0 and t_noise 1.0; they must be from 0 to 1, with t_clean below t_noise"),
        ({"t_clean": 0.6, "t_noise": 0.5}, "t_clean is 0.6 and t_noise 0.5"),
        ({"t_clean": float("nan")}, "t_clean is nan"),
        ({"t_noise": 1.5}, "t_noise 1.5"),
        ({"t_clean": 0.3}, "t_clean is 0.3 .* shorter than two of 1000 timesteps"),
        ({"t_noise": 0.7}, "t_noise 0.7; with 4 windows one is shorter"),
    ],
)
def test_bad_windows_are_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ScheduleError, match=message):
        time_windows(ALPHAS, **settings)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ((0,), "num_train_timesteps is 0; it must be a whole number of 1 or more"),
        ((10, 0.0), "beta_start is 0.0 and beta_end 0.012; they must lie between 0 and 1"),
        ((10, 0.2, 0.1), "beta_start is 0.2 and beta_end 0.1"),
        ((10, 0.2, 1.0), "beta_end 1.0"),
        ((10, float("nan")), "beta_start is nan"),
        ((10, 0.1, 0.2, "cosine"), "beta_schedule is 'cosine'; it is one of linear, scaled_linear, squaredcos_cap_v2"),
    ],
)
def test_bad_betas_are_refused(settings: tuple[Any, ...], message: str) -> None:
    with pytest.raises(ScheduleError, match=message):
        alphas_cumprod(*settings)


def test_unknown_prediction_type_is_refused() -> None:
    at, message = np.array([0.5]), "prediction_type is 'epsilon'; it is one of ddim_eps, diff_eps, velocity"
    unknown: Any = "epsilon"
    for call in (lambda: WINDOWS.velocity(at, unknown), lambda: WINDOWS.ideal_output(at, unknown)):
        with pytest.raises(ScheduleError, match=message):
            call()
    with pytest.raises(ScheduleError, match="prediction_type is 'velocity'; only ddim_eps and diff_eps have λ and η"):
        WINDOWS.lambda_eta("velocity")
