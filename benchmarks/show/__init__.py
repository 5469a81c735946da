"""Measurements of a whole show, taken from outside as a client sees it."""

__all__: list[str] = []
