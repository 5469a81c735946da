"""Properties of every family: ideal networks are solved exactly, rows lie on the path, strength is continuous."""

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.schedule import COLUMNS, FlowSchedule
from pipeline.schedules.euler import euler_schedule
from pipeline.schedules.flow_matching import flow_matching_schedule
from pipeline.schedules.lcm import lcm_schedule
from pipeline.schedules.perflow import perflow_schedule
from pipeline.schedules.straight_flows import instaflow_schedule, meanflow_schedule
from pipeline.schedules.trigflow import trigflow_schedule

PERFLOW_END = (math.sqrt(1 - 0.00085), math.sqrt(0.00085))
"""Last p and q of PeRFlow, whose last window ends at ᾱ[0], one training timestep above the clean latent."""


class Family(NamedTuple):
    make: Callable[..., FlowSchedule]
    settings: dict[str, st.SearchStrategy[object]] = {}  # noqa: RUF012 (never written to)
    end: tuple[float, float] = (1.0, 0.0)
    max_steps: int = 50
    rising: bool = False
    """True if the network's time rises during a run."""


SHIFTS = {"shift": st.floats(0.3, 8), "sigmas": st.sampled_from(["pipeline", "scheduler"])}
FAMILIES = {
    "flow matching": Family(flow_matching_schedule, SHIFTS | {"negated": st.booleans()}),
    "flow matching, dynamic": Family(
        flow_matching_schedule, {"mu": st.floats(-1, 2.5), "shift_terminal": st.none() | st.floats(0.01, 0.3)}
    ),
    "flow matching, stochastic": Family(flow_matching_schedule, SHIFTS | {"stochastic": st.just(True)}),
    "flow matching, clean latent": Family(
        flow_matching_schedule, SHIFTS | {"prediction": st.just("sample"), "stochastic": st.booleans()}
    ),
    "HunyuanImage": Family(flow_matching_schedule, {"shift": st.just(4.0), "second_time": st.just(True)}),
    "Z-Image": Family(
        flow_matching_schedule,
        {"shift": st.just(3.0), "time_input": st.just("one_minus_sigma"), "negated": st.just(True)},
        rising=True,
    ),
    "InstaFlow": Family(instaflow_schedule),
    "MeanFlow": Family(meanflow_schedule, {"train_timesteps": st.sampled_from([1, 1000])}),
    "TrigFlow": Family(
        trigflow_schedule, {"sigma_data": st.floats(0.2, 1), "intermediate_timestep": st.none() | st.floats(0.5, 1.4)}
    ),
    "Euler": Family(
        euler_schedule,
        {
            "prediction_type": st.sampled_from(["epsilon", "sample", "v_prediction"]),
            "timestep_spacing": st.sampled_from(["linspace", "leading", "trailing"]),
        },
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


class Example(NamedTuple):
    family: Family
    schedule: FlowSchedule
    strength: float
    steps: int


@st.composite
def schedules(draw: st.DrawFn, names: Sequence[str] = tuple(FAMILIES)) -> Example:
    family = FAMILIES[draw(st.sampled_from(names))]
    steps, strength = (
        draw(st.integers(1, family.max_steps)),
        draw(st.floats(0, 1) | st.sampled_from([0.0, 0.25, 0.75, 1.0])),
    )
    settings = {name: draw(values) for name, values in family.settings.items()}
    return Example(family, family.make(steps, strength, **settings), strength, steps)


def columns(schedule: FlowSchedule) -> dict[str, np.ndarray]:
    return {name: schedule.rows[:, place].astype(np.float64) for place, name in enumerate(COLUMNS)}


@pytest.mark.parametrize("name", FAMILIES)
def test_family_schedule_is_cached(name: str) -> None:
    schedule = FAMILIES[name].make(4, 0.7)
    assert 1 <= len(schedule) <= 4
    assert schedule is FAMILIES[name].make(4, 0.7)


@settings(deadline=None)
@given(example=schedules())
def test_rows_at_most_steps_and_monotonic(example: Example) -> None:
    schedule = example.schedule
    assert len(schedule) <= example.steps
    assert schedule.strength == (example.strength if len(schedule) else 0.0)
    assert (len(schedule) == 0) == (example.strength <= 1e-3) or example.strength < 2e-3
    assert np.all((np.diff(schedule.timestep) > 0) if example.family.rising else (np.diff(schedule.timestep) < 0))


def boundary_slack(example: Example) -> np.ndarray | float:
    """Return the error that the boundary conditions of a consistency model allow: c_skip, and 1 − c_out."""
    if example.family.make is not lcm_schedule:
        return 0.0
    scaled = 10.0 * example.schedule.timestep.astype(np.float64)
    return 2 * 0.25 / (scaled**2 + 0.25)


@settings(deadline=None)
@given(example=schedules())
def test_each_row_leads_to_the_next(example: Example) -> None:
    at = columns(example.schedule)
    clean, noisy = (
        np.append(at[name][1:], end)[: len(example.schedule)]
        for name, end in zip("pq", example.family.end, strict=True)
    )
    # float32 rounds each coefficient, and large ones cancel.
    slack = boundary_slack(example) + 3e-7 * (1 + np.abs(at["a"]) + np.abs(at["b"]) * (1 + np.abs(at["out_n"])))
    clean_after = at["a"] * at["p"] + at["b"] * at["out_x"]
    noisy_after = at["a"] * at["q"] + at["b"] * at["out_n"]
    assert np.all(np.abs(clean_after - clean) <= slack)
    # A row that adds noise removes all of the old noise.
    assert np.all(np.abs(noisy_after - np.where(at["c"] > 0, 0.0, noisy)) <= slack)
    assert np.all(np.abs(at["c"] - np.where(at["c"] > 0, noisy, 0.0)) <= 1e-7)


@settings(deadline=None)
@given(example=schedules(), x=st.floats(-2, 2), seed=st.integers(0, 99))
def test_ideal_network_is_solved(example: Example, x: float, seed: int) -> None:
    at, random = columns(example.schedule), np.random.default_rng(seed)
    n = random.standard_normal()
    p, q = example.schedule.entry
    z, growth = p * x + q * n, 1.0
    for row in range(len(example.schedule)):
        z = at["a"][row] * z + at["b"][row] * (at["out_x"][row] * x + at["out_n"][row] * n)
        growth = max(growth, abs(at["a"][row]), abs(at["b"][row]))
        if at["c"][row]:
            n = random.standard_normal()
            z += at["c"][row] * n
    clean, noisy = example.family.end if len(example.schedule) else (1.0, 0.0)
    slack = float(np.max(boundary_slack(example), initial=0.0)) * 5 + 1e-6 * growth * (1 + len(example.schedule)) ** 0.5
    assert z == pytest.approx(clean * x + noisy * n, abs=slack * (1 + abs(x) + abs(n)))


@pytest.mark.parametrize("name", FAMILIES)
@settings(deadline=None)
@given(steps=st.integers(1, 12), pair=st.tuples(st.floats(0.005, 1), st.floats(0.005, 1)))
def test_noise_rises_with_strength(name: str, steps: int, pair: tuple[float, float]) -> None:
    low, high = (FAMILIES[name].make(steps, strength).entry for strength in sorted(pair))
    assert high[1] >= low[1]
    assert high[0] <= low[0]


@pytest.mark.parametrize("name", FAMILIES)
def test_strength_is_continuous(name: str) -> None:
    entries = np.array([FAMILIES[name].make(4, strength).entry for strength in np.linspace(0.01, 1.0, 500)])
    # PeRFlow's noise rises fastest near the clean latent, like its teacher's.
    assert np.abs(np.diff(entries, axis=0)).max() < 0.012
