"""Start, watch and replace renderers, so that a picture of the wanted build is on air."""

__all__ = ["picture_order", "supervisor"]
