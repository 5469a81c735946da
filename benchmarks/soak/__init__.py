"""Soak: a scripted show of hours with faults injected, and a verdict."""

__all__ = ["soak_show"]
