"""Solvers from scheduler configurations: a model folder's scheduler class and settings as a function to a schedule."""

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

from pipeline.schedule import FlowSchedule
from pipeline.schedules.euler import euler_schedule
from pipeline.schedules.flow_matching import flow_matching_schedule
from pipeline.schedules.lcm import lcm_schedule
from pipeline.schedules.perflow import perflow_schedule
from pipeline.schedules.straight_flows import instaflow_schedule
from pipeline.schedules.trigflow import trigflow_schedule
from presets.errors import ModelError, ScheduleError

Solver = Callable[[int, float], FlowSchedule]
"""``solver(steps, strength)``. Raises `ScheduleError` if a setting is out of range."""


class SchedulerSupport(NamedTuple):
    """Support of one scheduler class."""

    schedule: Callable[..., FlowSchedule]
    settings: Mapping[str, str]
    """Configuration keys and the schedule's names for them. The schedule's default for a missing key is diffusers'."""
    unsupported: Mapping[str, object]
    """Configuration keys that would change the solver, with the only supported value."""
    ignored: Mapping[str, tuple[object, ...]] = MappingProxyType({})
    """Configuration keys, with values that the class itself ignores."""


_BETAS = {name: name for name in ("num_train_timesteps", "beta_start", "beta_end", "beta_schedule", "prediction_type")}
_PERFLOW = {name: name for name in ("num_time_windows", "t_noise", "t_clean")}
_LCM = {name: name for name in ("original_inference_steps", "timestep_scaling")}
_FLOW_MATCHING = {
    "num_train_timesteps": "train_timesteps",
    "shift": "shift",
    "shift_terminal": "shift_terminal",
    "stochastic_sampling": "stochastic",
    "prediction_type": "prediction",
}
_EULER = {name: name for name in ("timestep_spacing", "steps_offset")}
_EULER_UNSUPPORTED = {
    "trained_betas": None,
    "rescale_betas_zero_snr": False,
    "use_karras_sigmas": False,
    "use_exponential_sigmas": False,
    "use_beta_sigmas": False,
    "sigma_min": None,
    "sigma_max": None,
    "interpolation_type": "linear",
    "timestep_type": "discrete",
    "final_sigmas_type": "zero",
}
_TRIGFLOW = {"sigma_data": "sigma_data"}
_FLOW_MATCHING_UNSUPPORTED = {
    "use_dynamic_shifting": False,
    "use_karras_sigmas": False,
    "use_exponential_sigmas": False,
    "use_beta_sigmas": False,
    "invert_sigmas": False,
}

SCHEDULERS: Mapping[str, SchedulerSupport] = {
    "FlowMatchEulerDiscreteScheduler": SchedulerSupport(
        flow_matching_schedule,
        _FLOW_MATCHING,
        _FLOW_MATCHING_UNSUPPORTED,
        # diffusers' class predicts velocities and ignores the key. ``from_config`` leaves another scheduler's there.
        {"prediction_type": ("epsilon", "v_prediction", "flow_prediction")},
    ),
    # The project's own class (`pipeline.diffusers_schedulers`), which diffusers alone refuses to load.
    "FlowMatchEulerScheduler": SchedulerSupport(flow_matching_schedule, _FLOW_MATCHING, _FLOW_MATCHING_UNSUPPORTED),
    "PeRFlowScheduler": SchedulerSupport(perflow_schedule, _BETAS | _PERFLOW, {"trained_betas": None}),
    "SCMScheduler": SchedulerSupport(trigflow_schedule, _TRIGFLOW, {"prediction_type": "trigflow"}),
    # InstaFlow and 2-rectified flow have no scheduler in diffusers. Their pipeline takes even steps of its own.
    "StraightFlowScheduler": SchedulerSupport(instaflow_schedule, {"num_train_timesteps": "train_timesteps"}, {}),
    "EulerDiscreteScheduler": SchedulerSupport(euler_schedule, _BETAS | _EULER, _EULER_UNSUPPORTED),
    "EulerAncestralDiscreteScheduler": SchedulerSupport(
        partial(euler_schedule, ancestral=True), _BETAS | _EULER, _EULER_UNSUPPORTED
    ),
    "LCMScheduler": SchedulerSupport(
        lcm_schedule,
        _BETAS | _LCM,
        {"trained_betas": None, "clip_sample": False, "thresholding": False, "rescale_betas_zero_snr": False},
    ),
}
"""Supported scheduler classes by name."""


def solver_from_config(
    scheduler: str, config: Mapping[str, Any], path: Path, flow_matching: Mapping[str, Any] = MappingProxyType({})
) -> Solver:
    """Return the solver of a configured scheduler.

    Args:
        scheduler: Name of a class in `SCHEDULERS`.
        config: Its configuration.
        path: File of the configuration, for messages.
        flow_matching: Settings of `flow_matching_schedule` that the model's family has, and no configuration.

    Raises:
        ModelError: the configuration has an unsupported or an impossible setting.
    """
    support = SCHEDULERS[scheduler]
    for key, supported in support.unsupported.items():
        if config.get(key, supported) not in (supported, None):
            raise ModelError(f"{path} sets {key}={config[key]!r}, which this version does not support.")
    settings = {
        name: config[key]
        for key, name in support.settings.items()
        if config.get(key) is not None and config[key] not in support.ignored.get(key, ())
    }
    if support.schedule is flow_matching_schedule:
        settings |= flow_matching
    solver = partial(support.schedule, **settings)
    try:
        solver(1, 1.0)  # so that a bad setting is refused now, and not at the first frame
    except (ScheduleError, TypeError) as error:
        raise ModelError(f"{path} has an impossible setting: {error}") from error
    return solver
