"""The show: inputs, outputs, controls, parameters and the output clock. Nothing here imports torch."""

__all__ = ["initial_values", "metrics", "notices", "parameter_store", "settings", "stage", "state_file"]
