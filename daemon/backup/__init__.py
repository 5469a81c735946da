"""A second show that follows a first one and takes over its outputs (`run --backup`)."""

__all__ = ["asker", "backup_mark", "backup_pair", "joining", "pair", "paired_show"]
