"""Build engines ahead of the show, in a process of their own (``python -m daemon.prebuild``), and list those kept."""

__all__ = ["build_runner", "engine_inventory"]
