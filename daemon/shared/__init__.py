"""Small parts that several packages of the daemon use: clock, mailbox, refusals, locks, threads, process."""

__all__ = [
    "clock",
    "file_lock",
    "least_resources",
    "mailbox",
    "offline_environment",
    "process",
    "refusals",
    "scratch_folder",
    "stop_signals",
    "threads",
]
