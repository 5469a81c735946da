"""Small parts that several packages of the daemon use: clock, mailbox, refusals, locks, threads."""

__all__ = [
    "clock",
    "crash_loop",
    "file_lock",
    "mailbox",
    "offline_environment",
    "parent_process",
    "refusals",
    "scratch_folder",
    "thread_pool",
]
