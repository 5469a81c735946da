"""Measurements of a whole show, made from outside, at the sockets of a client."""

__all__ = [
    "card_sender",
    "measure_backup",
    "measure_daemon",
    "measure_delay",
    "measure_flood",
    "measure_frames",
    "measure_fuzz",
    "measure_models",
    "measure_morph",
    "measure_page",
    "measure_renderers",
    "measure_scripted",
    "measure_show",
    "measure_sweep",
    "measure_switch",
    "measure_transport",
    "osc_sender",
    "received_frames",
    "show_process",
    "show_script",
]
