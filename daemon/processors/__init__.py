"""Processors: files of the user's that change pictures before they are drawn or after, each in a process of its own."""

__all__ = ["memory_limit", "processor_chain", "processor_file", "processor_folder", "processor_process"]
