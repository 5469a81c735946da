"""Results document of a bench: findings, tables, plots, and the resumption of an interrupted bench."""

__all__ = ["document", "findings", "plots", "resume", "tables"]
