"""`program_version`: names this program by the content of its code, so that two machines can compare theirs."""

import hashlib
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

PACKAGES = ("daemon", "io_bridges", "pipeline", "presets")
ROOT = Path(__file__).parents[2]
"""Folder that the packages are in."""
SHOWN = 12
"""Digits of the hash that are shown."""


@cache
def program_version() -> str:
    """Return the version and the hash of all modules, as ``0.1.0 (code 1f3a…)``.

    It is computed once: a program that is changed on the disk plays on as it was loaded.
    """
    digest = hashlib.sha256()
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            digest.update(path.relative_to(ROOT).as_posix().encode())
            # Git may have changed the ends of lines on Windows.
            digest.update(hashlib.sha256(path.read_bytes().replace(b"\r\n", b"\n")).digest())
    try:
        released = version("streamflow-live")
    except PackageNotFoundError:  # the code lies in a folder that is not installed
        released = "unknown"
    return f"{released} (code {digest.hexdigest()[:SHOWN]})"


def version_problem(node: str, theirs: str) -> str:
    """Return why a node can't play for this program; empty if it can."""
    if theirs == program_version():
        return ""
    return (
        f"node {node} has streamflow-live {theirs}, this machine has {program_version()}: "
        "install the same version on both, and restart Ray there"
    )
