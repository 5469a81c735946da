"""Start, watch and replace renderers."""

__all__ = ["renderer_process", "supervisor"]
