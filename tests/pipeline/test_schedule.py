"""Schedules: the grid, the continuous strength, and refusals that say what is allowed."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.schedule import FlowSchedule
from pipeline.schedules.flow_matching import flow_matching_schedule
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


def test_static_shift_gives_the_sigmas_of_stable_diffusion_3() -> None:
    # The pipeline's own grid, linspace(1, 1/4, 4), through shift 3.
    np.testing.assert_allclose(sigmas(flow_matching_schedule(4, 1.0, shift=3.0)), [1, 0.9, 0.75, 0.5], rtol=1e-6)


@given(
    steps=st.integers(1, 50),
    strength=st.floats(0, 1),
    shift=st.floats(0.2, 12),
)
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


def test_schedules_are_shared_and_can_not_be_written_to() -> None:
    schedule = flow_matching_schedule(4, 0.6)
    assert flow_matching_schedule(4, 0.6) is schedule
    with pytest.raises(ValueError, match="read-only"):
        schedule.rows[0, 0] = 1
    assert schedule.rows.dtype == np.float32


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
        ({"train_timesteps": 0}, "train_timesteps is 0"),
    ],
)
def test_what_can_not_be_is_refused_by_name(arguments: dict[str, float], says: str) -> None:
    with pytest.raises(ScheduleError, match=says):
        flow_matching_schedule(**({"steps": 4, "strength": 0.5} | arguments))


def test_a_table_with_holes_is_refused() -> None:
    columns = ("timestep", "a", "b", "p", "q", "out_x", "out_n")
    good = {**{column: [1.0] for column in columns}, "strength": 1.0}
    FlowSchedule.from_columns(**good)
    with pytest.raises(ScheduleError, match="equally long"):
        FlowSchedule.from_columns(**(good | {"a": [1.0, 2.0]}))
    with pytest.raises(ScheduleError, match="finite"):
        FlowSchedule.from_columns(**(good | {"b": [float("nan")]}))
