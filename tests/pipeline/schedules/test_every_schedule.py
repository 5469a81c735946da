"""What holds for every family: ideal networks are solved exactly, rows lie on the path, and the fader is a fader."""

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.schedule import COLUMNS, FlowSchedule
from pipeline.schedules.flow_matching import flow_matching_schedule
from pipeline.schedules.instaflow import instaflow_schedule
from pipeline.schedules.lcm import lcm_schedule
from pipeline.schedules.meanflow import meanflow_schedule
from pipeline.schedules.perflow import perflow_schedule
from pipeline.schedules.trigflow import trigflow_schedule

PERFLOW_END = (math.sqrt(1 - 0.00085), math.sqrt(0.00085))
"""PeRFlow's last window ends at ᾱ[0], one training timestep of noise above the picture."""


class Family(NamedTuple):
    make: Callable[..., FlowSchedule]
    settings: dict[str, st.SearchStrategy[object]] = {}  # noqa: RUF012 (a NamedTuple's default is shared, and not written to)
    end: tuple[float, float] = (1.0, 0.0)
    most: int = 50
    rising: bool = False
    """Its network is told of the picture's share, and not of the noise's."""


SHIFTS = {"shift": st.floats(0.3, 8), "sigmas": st.sampled_from(["pipeline", "scheduler"])}
FAMILIES = {
    "flow matching": Family(flow_matching_schedule, SHIFTS | {"negated": st.booleans()}),
    "flow matching, dynamic": Family(
        flow_matching_schedule, {"mu": st.floats(-1, 2.5), "shift_terminal": st.none() | st.floats(0.01, 0.3)}
    ),
    "flow matching, stochastic": Family(flow_matching_schedule, SHIFTS | {"stochastic": st.just(True)}),
    "Z-Image": Family(
        flow_matching_schedule,
        {"shift": st.just(3.0), "given": st.just("remaining"), "negated": st.just(True)},
        rising=True,
    ),
    "InstaFlow": Family(instaflow_schedule),
    "MeanFlow": Family(meanflow_schedule, {"train_timesteps": st.sampled_from([1, 1000])}),
    "TrigFlow": Family(
        trigflow_schedule, {"sigma_data": st.floats(0.2, 1), "intermediate_timestep": st.none() | st.floats(0.5, 1.4)}
    ),
    "LCM": Family(lcm_schedule, {"prediction_type": st.sampled_from(["epsilon", "sample", "v_prediction"])}),
    **{
        f"PeRFlow, {kind}": Family(
            perflow_schedule,
            {"prediction_type": st.just(kind), "num_time_windows": st.integers(1, 10)},
            PERFLOW_END,
            300,
        )
        for kind in ("ddim_eps", "diff_eps", "velocity")
    },
}


class Drawn(NamedTuple):
    family: Family
    schedule: FlowSchedule
    strength: float
    steps: int


@st.composite
def schedules(draw: st.DrawFn, names: Sequence[str] = tuple(FAMILIES)) -> Drawn:
    family = FAMILIES[draw(st.sampled_from(names))]
    steps, strength = draw(st.integers(1, family.most)), draw(st.floats(0, 1) | st.sampled_from([0.0, 0.25, 0.75, 1.0]))
    settings = {name: draw(values) for name, values in family.settings.items()}
    return Drawn(family, family.make(steps, strength, **settings), strength, steps)


def columns(schedule: FlowSchedule) -> dict[str, np.ndarray]:
    return {name: schedule.rows[:, place].astype(np.float64) for place, name in enumerate(COLUMNS)}


@pytest.mark.parametrize("name", FAMILIES)
def test_every_family_is_drawn_from(name: str) -> None:
    schedule = FAMILIES[name].make(4, 0.7)
    assert 1 <= len(schedule) <= 4
    assert schedule is FAMILIES[name].make(4, 0.7)


@settings(deadline=None)
@given(drawn=schedules())
def test_no_more_rows_than_steps_and_time_goes_one_way(drawn: Drawn) -> None:
    schedule = drawn.schedule
    assert len(schedule) <= drawn.steps
    assert schedule.strength == (drawn.strength if len(schedule) else 0.0)
    assert (len(schedule) == 0) == (drawn.strength <= 1e-3) or drawn.strength < 2e-3
    assert np.all((np.diff(schedule.timestep) > 0) if drawn.family.rising else (np.diff(schedule.timestep) < 0))


def boundary_slack(drawn: Drawn) -> np.ndarray | float:
    """How far a consistency model's boundary condition keeps each row from the picture: c_skip, and 1 − c_out."""
    if drawn.family.make is not lcm_schedule:
        return 0.0
    scaled = 10.0 * drawn.schedule.timestep.astype(np.float64)
    return 2 * 0.25 / (scaled**2 + 0.25)


@settings(deadline=None)
@given(drawn=schedules())
def test_each_row_takes_the_path_to_the_next_rows_place_on_it(drawn: Drawn) -> None:
    at = columns(drawn.schedule)
    clean, noisy = (
        np.append(at[name][1:], end)[: len(drawn.schedule)] for name, end in zip("pq", drawn.family.end, strict=True)
    )
    # float32 rounds each coefficient; where they are large, what they leave of one another is as coarse.
    slack = boundary_slack(drawn) + 3e-7 * (1 + np.abs(at["a"]) + np.abs(at["b"]) * (1 + np.abs(at["out_n"])))
    got_clean = at["a"] * at["p"] + at["b"] * at["out_x"]
    got_noisy = at["a"] * at["q"] + at["b"] * at["out_n"]
    assert np.all(np.abs(got_clean - clean) <= slack)
    # A row that adds noise forgets the noise it came with.
    assert np.all(np.abs(got_noisy - np.where(at["c"] > 0, 0.0, noisy)) <= slack)
    assert np.all(np.abs(at["c"] - np.where(at["c"] > 0, noisy, 0.0)) <= 1e-7)


@settings(deadline=None)
@given(drawn=schedules(), x=st.floats(-2, 2), seed=st.integers(0, 99))
def test_an_ideal_network_is_walked_to_its_picture(drawn: Drawn, x: float, seed: int) -> None:
    at, random = columns(drawn.schedule), np.random.default_rng(seed)
    n = random.standard_normal()
    p, q = drawn.schedule.entry
    z, growth = p * x + q * n, 1.0
    for row in range(len(drawn.schedule)):
        z = at["a"][row] * z + at["b"][row] * (at["out_x"][row] * x + at["out_n"][row] * n)
        growth = max(growth, abs(at["a"][row]), abs(at["b"][row]))
        if at["c"][row]:
            n = random.standard_normal()
            z += at["c"][row] * n
    clean, noisy = drawn.family.end if len(drawn.schedule) else (1.0, 0.0)
    slack = float(np.max(boundary_slack(drawn), initial=0.0)) * 5 + 1e-6 * growth * (1 + len(drawn.schedule)) ** 0.5
    assert z == pytest.approx(clean * x + noisy * n, abs=slack * (1 + abs(x) + abs(n)))


@pytest.mark.parametrize("name", FAMILIES)
@settings(deadline=None)
@given(steps=st.integers(1, 12), pair=st.tuples(st.floats(0.005, 1), st.floats(0.005, 1)))
def test_more_strength_is_more_noise_and_less_picture(name: str, steps: int, pair: tuple[float, float]) -> None:
    low, high = (FAMILIES[name].make(steps, strength).entry for strength in sorted(pair))
    assert high[1] >= low[1]
    assert high[0] <= low[0]


@pytest.mark.parametrize("name", FAMILIES)
def test_the_fader_has_no_steps(name: str) -> None:
    entries = np.array([FAMILIES[name].make(4, strength).entry for strength in np.linspace(0.01, 1.0, 500)])
    # PeRFlow's noise rises fast from the clean end, as that of its teacher does.
    assert np.abs(np.diff(entries, axis=0)).max() < 0.012
