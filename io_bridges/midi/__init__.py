"""MIDI in and out: each device in a child process, a mapping to addresses that can be learned, feedback, the clock."""

__all__ = ["control", "device"]
