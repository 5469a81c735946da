"""Measurements of the pipeline without a show around it."""

__all__ = ["built_model", "measure_pipeline", "measure_steps", "timing"]
