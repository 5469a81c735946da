"""The reserve of a disk, which no sink uses up: the state of the show and all else can still be written."""

import shutil
from pathlib import Path

RESERVE = 256 << 20
"""Bytes of the disk that a sink leaves free."""


def shortage(folder: Path, what: str, verb: str) -> str:
    """Return what is wrong, as a sentence, if a folder's disk has no more than the reserve; empty if it has more.

    Args:
        folder: An existing folder.
        what: What is to be kept there, such as "a recording".
        verb: Word for it, such as "record".

    Raises:
        OSError: The folder or its disk is gone.
    """
    free = shutil.disk_usage(folder).free
    if free > RESERVE:
        return ""
    return (
        f"The disk of {folder} is full: {free >> 20} MB are left, and {what} leaves {RESERVE >> 20} MB free. "
        f"Delete something, or {verb} to another disk"
    )
