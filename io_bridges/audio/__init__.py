"""Sound as a source of movement: an input or a file in a child process, and its level, bands and onsets."""

__all__ = ["heard_file", "listener"]
