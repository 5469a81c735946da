"""Measurements of the pipeline without a show around it."""

__all__ = [
    "built_model",
    "measure_auto",
    "measure_eight_bits",
    "measure_pipeline",
    "measure_reuse",
    "measure_steps",
    "timing",
]
