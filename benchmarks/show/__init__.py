"""Measurements of a whole show, made from outside, at the sockets of a client."""

__all__ = [
    "measure_daemon",
    "measure_delay",
    "measure_flood",
    "measure_show",
    "measure_sweep",
    "measure_switch",
    "measure_transport",
]
