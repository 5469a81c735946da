"""Small parts that several packages of the daemon use: clock, mailbox, refusals, locks, threads, process."""

__all__ = [
    "clock",
    "file_lock",
    "mailbox",
    "offline_environment",
    "process",
    "refusals",
    "scratch_folder",
    "threads",
]
