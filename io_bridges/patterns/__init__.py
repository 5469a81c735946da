"""Moving patterns, the source ``pattern:``: pictures for a show without a camera, computed from the time alone."""

__all__ = ["source"]
