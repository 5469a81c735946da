"""``window:``: the output in a window, in full screen on a projector. The window has a process of its own."""

__all__ = ["placement"]
