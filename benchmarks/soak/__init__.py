"""Soak: a scripted show of hours with faults injected, and a verdict."""

__all__ = ["faults", "soak_show"]
