"""Spout on Windows, through SpoutGL: textures from and for other programs. Untested on hardware."""

__all__ = ["api", "sink", "source"]
