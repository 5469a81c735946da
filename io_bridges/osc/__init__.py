"""Serve OSC control over UDP: parse packets, match address patterns, apply messages, send feedback."""

__all__ = ["admission", "monitor", "packets", "server", "snippets", "surface_requests", "udp_socket"]
