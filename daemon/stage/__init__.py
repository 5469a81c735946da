"""Keep the show on air: inputs, outputs, controls, parameters and the output clock. Nothing here reaches torch."""

__all__ = ["initial_values", "metrics", "parameter_store", "settings", "stage", "state_file"]
