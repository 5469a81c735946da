"""Solvers from scheduler configurations: a model folder's scheduler class and settings as a function to a schedule."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

from pipeline.schedule import FlowSchedule
from pipeline.schedules.dynamic_shift import DynamicShift, ShiftRule
from pipeline.schedules.euler import euler_schedule
from pipeline.schedules.flow_matching import flow_matching_schedule
from pipeline.schedules.lcm import lcm_schedule
from pipeline.schedules.perflow import perflow_schedule
from pipeline.schedules.straight_flows import instaflow_schedule
from pipeline.schedules.trigflow import trigflow_schedule
from presets.errors import ModelError, ScheduleError

SHIFT_RULE = "shift_rule"
"""Setting of a family: the rule of its `DynamicShift`."""


@dataclass(frozen=True)
class Solver:
    """A schedule with the settings of one model."""

    schedule: Callable[..., FlowSchedule]
    """``schedule(steps, strength, **settings)``."""
    settings: Mapping[str, Any]
    shift: DynamicShift | None = None
    """Shift by the size of the picture, None for a solver that does not depend on it."""

    def __call__(self, steps: int, strength: float, tokens: int | None = None) -> FlowSchedule:
        """Return the schedule of one picture.

        Args:
            steps: Steps from noise to a picture.
            strength: 0 to 1.
            tokens: Length of the picture's token sequence. None fits a solver without `shift`.

        Raises:
            ScheduleError: a setting is out of range, or `tokens` is missing.
        """
        if self.shift is None:
            return self.schedule(steps, strength, **self.settings)
        if tokens is None:
            raise ScheduleError("This model's schedule depends on the size of the picture, which is not given.")
        return self.schedule(steps, strength, **self.settings, mu=self.shift.mu(tokens, steps))


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
_DYNAMIC_SHIFT = {
    "base_image_seq_len": "base_tokens",
    "max_image_seq_len": "max_tokens",
    "base_shift": "base_shift",
    "max_shift": "max_shift",
    "time_shift_type": "time_shift_type",
}
_FLOW_MATCHING_UNSUPPORTED = {
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
        flow_matching: Settings that the model's family has, and no configuration: those of `flow_matching_schedule`,
            and `SHIFT_RULE`. A family without that rule has no shift by size.

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
    shift = None
    if support.schedule is flow_matching_schedule:
        settings |= {key: value for key, value in flow_matching.items() if key != SHIFT_RULE}
        shift = _dynamic_shift(config, path, flow_matching.get(SHIFT_RULE))
    solver = Solver(support.schedule, settings, shift)
    try:
        for tokens in (1, 4096):  # so that a bad setting is refused now, and not at the first frame
            solver(1, 1.0, tokens)
    except (ScheduleError, TypeError) as error:
        raise ModelError(f"{path} has an impossible setting: {error}") from error
    return solver


def _dynamic_shift(config: Mapping[str, Any], path: Path, rule: ShiftRule | None) -> DynamicShift | None:
    """Return the shift by size of a flow-matching scheduler, None if it has none."""
    dynamic = config.get("use_dynamic_shifting")
    if dynamic is None or dynamic is False:
        return None
    if dynamic is not True or rule is None:
        raise ModelError(f"{path} sets use_dynamic_shifting={dynamic!r}, which this version does not support.")
    settings = {name: config[key] for key, name in _DYNAMIC_SHIFT.items() if config.get(key) is not None}
    return DynamicShift(rule, **settings)
