"""A module a family of models: functions from settings to a `pipeline.schedule.FlowSchedule`."""
