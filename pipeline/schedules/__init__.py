"""Solvers of the model families, one module a family: functions from settings to a `pipeline.schedule.FlowSchedule`."""

__all__ = [
    "alphas",
    "dynamic_shift",
    "euler",
    "flow_matching",
    "lcm",
    "perflow",
    "perflow_windows",
    "straight_flows",
    "trigflow",
]
