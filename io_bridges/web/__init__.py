"""The web page: the live output and every control, served by one thread."""

__all__ = ["preview", "server"]
