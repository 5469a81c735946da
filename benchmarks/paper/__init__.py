"""Evaluation of the StreamFlow paper: its tables and figures, with rivals measured in the same run."""

__all__ = [
    "architectures",
    "image_metrics",
    "measure_ablation",
    "measure_latency",
    "measure_quality",
    "measure_speed",
    "random_model",
]
