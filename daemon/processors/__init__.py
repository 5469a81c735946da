"""Processors: files of the user's that change pictures before they are drawn or after, each in a process of its own."""
