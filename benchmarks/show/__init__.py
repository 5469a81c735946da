"""Measurements of a whole show, taken from outside as a client sees it."""

__all__ = [
    "measure_daemon",
    "measure_delay",
    "measure_flood",
    "measure_show",
    "measure_sweep",
    "measure_switch",
]
