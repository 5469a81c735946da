"""Solvers of flow-matching schedulers that shift by the size of a picture: exact against diffusers, and faults."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from diffusers import FlowMatchEulerDiscreteScheduler
from diffusers.pipelines.flux2.pipeline_flux2_klein import compute_empirical_mu
from diffusers.pipelines.stable_diffusion_3.pipeline_stable_diffusion_3 import calculate_shift

from pipeline.families.flux import FLUX
from pipeline.families.sd3 import SD3
from pipeline.families.unet import STABLE_DIFFUSION
from pipeline.solvers import Solver, solver_from_config
from presets.errors import ModelError, ScheduleError

KIND, PATH = "FlowMatchEulerDiscreteScheduler", Path("scheduler_config.json")
DEV = {"shift": 3.0, "use_dynamic_shifting": True}
LINE = {"base_image_seq_len": 100, "max_image_seq_len": 6000, "base_shift": 0.3, "max_shift": 2.1}


def linear_mu(config: Any, tokens: int, steps: int) -> float:
    names = ("base_image_seq_len", "max_image_seq_len", "base_shift", "max_shift")
    return float(calculate_shift(tokens, *(config[name] for name in names)))


def empirical_mu(config: Any, tokens: int, steps: int) -> float:
    return compute_empirical_mu(tokens, steps)


CASES: dict[str, tuple[dict[str, Any], dict[str, Any], Callable[[Any, int, int], float]]] = {
    # Configuration, settings of the family, and μ as the family's pipeline computes it.
    "FLUX.1-dev": (DEV, dict(FLUX.flow_matching), linear_mu),
    "another line": (DEV | LINE, dict(FLUX.flow_matching), linear_mu),
    "linear shift": (DEV | LINE | {"time_shift_type": "linear"}, dict(FLUX.flow_matching), linear_mu),
    "terminal": (DEV | {"shift_terminal": 0.05}, dict(FLUX.flow_matching), linear_mu),
    "SD3": (DEV, dict(SD3.flow_matching), linear_mu),
    "FLUX.2": (DEV, {"shift_rule": "empirical"}, empirical_mu),
}


def solver_of(config: dict[str, Any], family: dict[str, Any]) -> Solver:
    """Return the solver of a complete configuration, as diffusers writes it."""
    return solver_from_config(KIND, dict(FlowMatchEulerDiscreteScheduler(**config).config), PATH, family)


@pytest.mark.parametrize("case", CASES)
def test_shift_by_size_equals_diffusers(case: str) -> None:
    config, family, mu = CASES[case]
    solver, first = solver_of(config, family), []
    for tokens in (16, 256, 1024, 4096, 9216):
        for steps in (1, 4, 28):
            scheduler = FlowMatchEulerDiscreteScheduler(**config)
            shift = mu(scheduler.config, tokens, steps)
            if family.get("sigmas") == "scheduler":
                scheduler.set_timesteps(steps, mu=shift)
            elif steps > 1 or case != "terminal":  # diffusers divides 0 by 0 there
                scheduler.set_timesteps(sigmas=np.linspace(1.0, 1 / steps, steps), mu=shift)
            else:
                continue
            schedule = solver(steps, 1.0, tokens)
            np.testing.assert_allclose(schedule.timestep, scheduler.timesteps.numpy(), rtol=1e-5)
            np.testing.assert_allclose(schedule.b, np.diff(scheduler.sigmas.numpy()), rtol=1e-4)
        first.append(float(solver(4, 1.0, tokens).timestep[1]))
    assert (np.abs(np.diff(first)) > 0.5).all(), "every size has levels of noise of its own"


def test_size_is_needed_for_a_shift_by_size() -> None:
    with pytest.raises(ScheduleError, match="depends on the size of the picture, which is not given"):
        solver_of(DEV, dict(FLUX.flow_matching))(4, 1.0)


FAULTS: dict[str, tuple[dict[str, Any], str]] = {
    "no bool": ({"use_dynamic_shifting": "yes"}, "sets use_dynamic_shifting='yes'"),
    "unknown shift": ({"time_shift_type": "cubic"}, "time_shift_type is 'cubic'; it is exponential or linear"),
    "no line": ({"base_image_seq_len": 4096}, "base_tokens and max_tokens are both 4096"),
    "no number": ({"base_shift": "much"}, "impossible setting"),
    "too much": ({"max_shift": 1e300}, "mu is .*; it must be a number from -20 to 20"),
    "no linear shift": ({"time_shift_type": "linear", "base_shift": -1.0}, "a linear shift must be above 0"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_impossible_shift_is_refused(fault: str) -> None:
    changed, message = FAULTS[fault]
    with pytest.raises(ModelError, match=f"scheduler_config.json .*{message}"):
        solver_from_config(KIND, DEV | changed, PATH, FLUX.flow_matching)


def test_unets_have_no_shift_by_size() -> None:
    with pytest.raises(ModelError, match="sets use_dynamic_shifting=True, which this version does not support"):
        solver_from_config(KIND, DEV, PATH, STABLE_DIFFUSION.flow_matching)
