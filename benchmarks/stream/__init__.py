"""Measurements of the pipeline without a show around it."""

__all__: list[str] = []
