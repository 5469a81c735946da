"""The table itself: its columns, its one rounding, and refusals that say what is allowed."""

import numpy as np
import pytest

from pipeline.schedule import COLUMNS, FlowSchedule, check_settings
from pipeline.schedules.flow_matching import flow_matching_schedule
from presets.errors import ScheduleError

GIVEN = ("timestep", "a", "b", "p", "q", "out_x", "out_n")
GOOD = {**{column: [1.0] for column in GIVEN}, "strength": 1.0}


def test_the_columns_stand_where_they_are_named() -> None:
    table = {column: [float(place) + 0.1, float(place) + 0.2] for place, column in enumerate(COLUMNS)}
    schedule = FlowSchedule.from_columns(**table, strength=0.5, start=2.0)
    expected = np.array(list(table.values())).T.astype(np.float32)
    np.testing.assert_array_equal(schedule.rows, expected)
    for column in ("timestep", "second", "scale", "a", "b", "c"):
        np.testing.assert_array_equal(getattr(schedule, column), expected[:, COLUMNS.index(column)])
    assert schedule.entry == (expected[0, COLUMNS.index("p")], expected[0, COLUMNS.index("q")])
    assert (schedule.strength, schedule.start, len(schedule)) == (0.5, 2.0, 2)


def test_what_is_left_out_does_nothing() -> None:
    schedule = FlowSchedule.from_columns(**GOOD)
    assert (schedule.second[0], schedule.scale[0], schedule.c[0], schedule.start) == (0.0, 1.0, 0.0, 1.0)


def test_no_rows_are_a_picture_that_passes_through() -> None:
    schedule = FlowSchedule.passing_through()
    assert (len(schedule), schedule.entry, schedule.rows.shape) == (0, (1.0, 0.0), (0, len(COLUMNS)))
    # It says so, whatever was asked for.
    assert FlowSchedule.from_columns(**{column: [] for column in GIVEN}, strength=0.0005).strength == 0.0


def test_schedules_are_shared_and_can_not_be_written_to() -> None:
    schedule = flow_matching_schedule(4, 0.6)
    assert flow_matching_schedule(4, 0.6) is schedule
    with pytest.raises(ValueError, match="read-only"):
        schedule.rows[0, 0] = 1
    assert schedule.rows.dtype == np.float32


def test_a_table_with_holes_is_refused() -> None:
    FlowSchedule.from_columns(**GOOD)
    with pytest.raises(ScheduleError, match="equally long"):
        FlowSchedule.from_columns(**(GOOD | {"a": [1.0, 2.0]}))
    for broken in ({"b": [float("nan")]}, {"b": [1e39]}, {"start": float("inf")}):
        with pytest.raises(ScheduleError, match="finite"):
            FlowSchedule.from_columns(**(GOOD | broken))


@pytest.mark.parametrize(
    ("settings", "says"),
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
def test_settings_that_no_family_takes_are_refused_by_name(settings: dict[str, float], says: str) -> None:
    with pytest.raises(ScheduleError, match=says):
        check_settings(**settings)
