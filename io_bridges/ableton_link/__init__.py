"""Ableton Link: tempo and phase shared with other programs on the network."""

__all__ = ["control"]
