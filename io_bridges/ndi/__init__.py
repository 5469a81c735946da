"""NDI through cyndilib: video of and for programs on the network."""

__all__ = ["names", "sink", "source"]
