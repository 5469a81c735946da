"""A model folder's scheduler configuration as the solver it means: from steps and strength to a `FlowSchedule`."""

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from pipeline.schedule import FlowSchedule
from pipeline.schedules.flow_matching import flow_matching_schedule
from pipeline.schedules.lcm import lcm_schedule
from pipeline.schedules.perflow import perflow_schedule
from presets.errors import ModelError, ScheduleError

Solver = Callable[[int, float], FlowSchedule]
"""``solver(steps, strength)``; raises `ScheduleError`."""


class Family(NamedTuple):
    """One class of scheduler: another is another one of these."""

    schedule: Callable[..., FlowSchedule]
    settings: Mapping[str, str]
    """What is read of its configuration, and what the schedule calls it. Absent keys have the schedule's default,
    which is diffusers' own."""
    refused: Mapping[str, object]
    """Keys that would make another solver of it, and the value with which they do not."""


_BETAS = {name: name for name in ("num_train_timesteps", "beta_start", "beta_end", "beta_schedule", "prediction_type")}
_PERFLOW = {name: name for name in ("num_time_windows", "t_noise", "t_clean")}
_LCM = {name: name for name in ("original_inference_steps", "timestep_scaling")}
_FLOW_MATCHING = {
    "num_train_timesteps": "train_timesteps",
    "shift": "shift",
    "shift_terminal": "shift_terminal",
    "stochastic_sampling": "stochastic",
}

FAMILIES: Mapping[str, Family] = {
    "FlowMatchEulerDiscreteScheduler": Family(
        flow_matching_schedule,
        _FLOW_MATCHING,
        {
            "use_dynamic_shifting": False,
            "use_karras_sigmas": False,
            "use_exponential_sigmas": False,
            "use_beta_sigmas": False,
            "invert_sigmas": False,
        },
    ),
    "PeRFlowScheduler": Family(perflow_schedule, _BETAS | _PERFLOW, {"trained_betas": None}),
    "LCMScheduler": Family(
        lcm_schedule,
        _BETAS | _LCM,
        {"trained_betas": None, "clip_sample": False, "thresholding": False, "rescale_betas_zero_snr": False},
    ),
}
"""The schedulers whose models can be played, by their class."""


def solver(kind: str, config: Mapping[str, Any], path: Path) -> Solver:
    """The solver of a scheduler of class `kind`, one of `FAMILIES`, configured so.

    Args:
        path: Where the configuration stands, for messages.

    Raises:
        ModelError: a configuration that asks for what is not played, or that can't be.
    """
    family = FAMILIES[kind]
    for key, plain in family.refused.items():
        if config.get(key, plain) not in (plain, None):
            raise ModelError(f"{path} asks for {key}={config[key]!r}, which this version does not play.")
    settings = {name: config[key] for key, name in family.settings.items() if config.get(key) is not None}
    made = partial(family.schedule, **settings)
    try:
        # What can't be is said now, and not when a fader first asks for it.
        made(1, 1.0)
    except (ScheduleError, TypeError) as error:
        raise ModelError(f"{path} can't be: {error}") from error
    return made
