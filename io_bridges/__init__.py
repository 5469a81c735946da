"""Connect the show to the outside: frames in and out, control in and out, one module for each outside thing."""

__all__ = [
    "bridges",
    "card",
    "clip",
    "frames",
    "osc",
    "pixels",
    "schemes",
    "show_control",
    "slate",
    "uri",
    "wakeup_socket",
    "web",
    "zmq_control",
]
