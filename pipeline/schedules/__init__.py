"""Solvers of the model families, one module a family: functions from settings to a `pipeline.schedule.FlowSchedule`."""

__all__ = ["alphas", "flow_matching", "lcm", "perflow", "perflow_windows", "straight_flows", "trigflow"]
