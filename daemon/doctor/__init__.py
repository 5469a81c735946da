"""Report what works on this machine and what would make the rest work."""

__all__ = ["accelerator_probe", "checks", "diagnosis", "display_search", "source_search"]
