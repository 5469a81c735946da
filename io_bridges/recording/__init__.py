"""Recording: the output in a video file that stays playable whatever happens. Needs the extra ``video``."""

__all__ = ["encoders", "file", "sink"]
