"""The schedule table: its columns, its rounding to float32, and its refusals."""

import numpy as np
import pytest

from pipeline.schedule import COLUMNS, FlowSchedule, check_settings
from pipeline.schedules.flow_matching import flow_matching_schedule
from presets.errors import ScheduleError

REQUIRED = ("timestep", "a", "b", "p", "q", "out_x", "out_n")
GOOD = {**{column: [1.0] for column in REQUIRED}, "strength": 1.0}


def test_columns_have_their_places() -> None:
    table = {column: [float(place) + 0.1, float(place) + 0.2] for place, column in enumerate(COLUMNS)}
    schedule = FlowSchedule.from_columns(**table, strength=0.5, init_noise_sigma=2.0)
    expected = np.array(list(table.values())).T.astype(np.float32)
    np.testing.assert_array_equal(schedule.rows, expected)
    for column in ("timestep", "second_time", "input_scale", "a", "b", "c"):
        np.testing.assert_array_equal(getattr(schedule, column), expected[:, COLUMNS.index(column)])
    assert schedule.entry == (expected[0, COLUMNS.index("p")], expected[0, COLUMNS.index("q")])
    assert (schedule.strength, schedule.init_noise_sigma, len(schedule)) == (0.5, 2.0, 2)


def test_optional_columns_default() -> None:
    schedule = FlowSchedule.from_columns(**GOOD)
    assert (schedule.second_time[0], schedule.input_scale[0], schedule.c[0], schedule.init_noise_sigma) == (
        0.0,
        1.0,
        0.0,
        1.0,
    )


def test_empty_schedule() -> None:
    schedule = FlowSchedule.empty()
    assert (len(schedule), schedule.entry, schedule.rows.shape) == (0, (1.0, 0.0), (0, len(COLUMNS)))
    # Without rows the strength is 0, whatever the caller passed.
    assert FlowSchedule.from_columns(**{column: [] for column in REQUIRED}, strength=0.0005).strength == 0.0


def test_schedules_are_cached_and_read_only() -> None:
    schedule = flow_matching_schedule(4, 0.6)
    assert flow_matching_schedule(4, 0.6) is schedule
    with pytest.raises(ValueError, match="read-only"):
        schedule.rows[0, 0] = 1
    assert schedule.rows.dtype == np.float32


def test_bad_columns_are_refused() -> None:
    FlowSchedule.from_columns(**GOOD)
    with pytest.raises(ScheduleError, match="equal lengths"):
        FlowSchedule.from_columns(**(GOOD | {"a": [1.0, 2.0]}))
    for broken in ({"b": [float("nan")]}, {"b": [1e39]}, {"init_noise_sigma": float("inf")}):
        with pytest.raises(ScheduleError, match="finite"):
            FlowSchedule.from_columns(**(GOOD | broken))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"steps": 0}, "steps is 0; it must be a whole number of 1 or more"),
        ({"steps": 1.5}, "steps is 1.5"),
        ({"steps": 4.0}, "steps is 4.0; it must be a whole number"),
        ({"steps": None}, "steps is None"),
        ({"steps": "4"}, "steps is '4'"),
        ({"steps": 1, "strength": "half"}, "strength is 'half'; it must be a number from 0"),
        ({"steps": float("nan")}, "steps is nan"),
        ({"steps": float("inf")}, "steps is inf"),
        ({"steps": 1, "train_timesteps": 0}, "train_timesteps is 0; it must be a whole number of 1 or more"),
        ({"steps": 1, "strength": float("nan")}, "strength is nan; it must be a number from 0"),
        ({"steps": 1, "strength": -0.01}, "strength is -0.01"),
        ({"steps": 1, "strength": 1.01}, "strength is 1.01"),
    ],
)
def test_bad_setting_is_refused(settings: dict[str, float], message: str) -> None:
    with pytest.raises(ScheduleError, match=message):
        check_settings(**settings)
