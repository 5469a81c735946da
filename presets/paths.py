"""Paths as people write them. No text makes these functions raise: it may come from the wire or from a damaged file."""

from pathlib import Path


def home_path(text: str) -> Path:
    """Return a path with ``~`` expanded. The ``~`` of a user that does not exist stays."""
    try:
        return Path(text).expanduser()
    except RuntimeError:  # there is no such user
        return Path(text)


def is_there(path: Path) -> bool:
    """Return True if there is a file or folder. A path that can't be looked up counts as missing."""
    try:
        return path.exists()
    except OSError:  # its name is too long, or a folder is closed to this user
        return False
