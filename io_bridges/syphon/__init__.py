"""Syphon on macOS, through syphon-python: textures from and for other programs. Untested on hardware."""

__all__ = ["api", "run_loop", "sink", "source"]
