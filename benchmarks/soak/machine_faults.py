"""Faults of the machine under a show: a disk that is full, and a clock that jumps. Linux only, and for this show alone.

The show runs in a mount namespace of its own, in which its state and its recordings are on a small disk in memory. Its
clock is that of libfaketime, if that is installed. Nothing else on the machine notices either.
"""

import json
import os
import subprocess
import sys
import time
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from benchmarks.report.findings import NotMeasured

DISK_BYTES = 4 << 20
"""Size of the small disk."""
_ON_SMALL_DISK = f'mount -t tmpfs -o size={DISK_BYTES} soak "$0" && exec "$@"'
_CLOCK_STEP = 0.02
"""Seconds by which the time of a file may lie behind."""
_PATIENCE = 15.0
"""Seconds after which the state has to be on the disk again."""
_LIBRARY = "vendor/libfaketime/src/libfaketime.so.1"
"""The library in the package libfaketime. That of Debian 12 lets no program sleep whose monotonic clock stays."""


def namespace() -> list[str]:
    """Return the beginning of a command that gets mounts of its own."""
    # The right to go before other programs is lost in a namespace of users, so root takes none.
    users = [] if os.geteuid() == 0 else ["--user", "--map-root-user"]
    return ["unshare", *users, "--mount", "--propagation", "private"]


@cache
def disk_problem() -> str:
    """Return why no small disk can be made here; empty if one can."""
    if sys.platform != "linux":
        return "a full disk is made on Linux alone"
    try:
        command = [*namespace(), "sh", "-c", _ON_SMALL_DISK, "/mnt", "true"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"a full disk is not made: {error}"
    return "" if done.returncode == 0 else f"a full disk is not made: {done.stderr.strip()[-200:]}"


@cache
def clock_problem() -> str:
    """Return why no clock can be changed here; empty if one can."""
    if sys.platform != "linux":
        return "a changed clock is made on Linux alone"
    return "" if _library() else "a changed clock is not made: run pip install 'streamflow-live[soak]'"


def _library() -> Path | None:
    package = find_spec("libfaketime")
    folders = package.submodule_search_locations if package is not None else None
    library = Path(folders[0], _LIBRARY) if folders else None
    return library if library is not None and library.is_file() else None


class SmallDisk:
    """The disk of one show's state and recordings."""

    def __init__(self, folder: Path) -> None:
        """`folder` is where the show finds it."""
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    def command(self, command: list[str]) -> list[str]:
        """Return a command of a show with the disk below it."""
        own = ["--state", str(self._folder / "state.json"), "--recordings", str(self._folder / "recordings")]
        return [*namespace(), "sh", "-c", _ON_SMALL_DISK, str(self._folder), *command, *own]

    def fill(self, pid: int) -> int:
        """Fill the disk of the running show. Return the bytes that were free."""
        written = 0
        with self._seen_from_outside(pid, "ballast").open("wb", buffering=0) as ballast:
            try:
                while written <= 2 * DISK_BYTES:
                    written += ballast.write(bytes(4096))
            except OSError:
                return written
        raise NotMeasured("the small disk did not fill")

    def empty(self, pid: int) -> float:
        """Remove what filled the disk. Return the seconds until the state was saved again, or raise `NotMeasured`."""
        recordings = self._seen_from_outside(pid, "recordings")
        for path in (self._seen_from_outside(pid, "ballast"), *(recordings.glob("*") if recordings.is_dir() else ())):
            path.unlink(missing_ok=True)
        began, wall = time.monotonic(), time.time() - _CLOCK_STEP
        while time.monotonic() - began < _PATIENCE:
            if self._saved_at(pid) >= wall:
                return time.monotonic() - began
            time.sleep(0.1)
        raise NotMeasured(f"the state was not saved within {_PATIENCE:g} s after the disk had room again")

    def _saved_at(self, pid: int) -> float:
        state = self._seen_from_outside(pid, "state.json")
        try:
            json.loads(state.read_bytes())
            return state.stat().st_mtime
        except (OSError, ValueError):
            return 0.0

    def _seen_from_outside(self, pid: int, name: str) -> Path:
        return Path(f"/proc/{pid}/root{self._folder / name}")


class ChangedClock:
    """The time of day of one show and its renderers. Their monotonic clock stays."""

    def __init__(self, file: Path) -> None:
        """`file` is where the library reads the change from, every second."""
        self._file = file
        self.change("+0")

    def command(self, command: list[str]) -> list[str]:
        """Return a command of a show with the clock."""
        return [
            "env",
            f"LD_PRELOAD={_library()}",
            f"FAKETIME_TIMESTAMP_FILE={self._file}",
            "FAKETIME_CACHE_DURATION=1",
            "FAKETIME_DONT_FAKE_MONOTONIC=1",
            "DONT_FAKE_MONOTONIC=1",
            *command,
        ]

    def change(self, seconds: str) -> None:
        """Set the clock to the machine's, and so many seconds more, as in ``-3600``."""
        beside = self._file.with_suffix(".new")
        beside.write_text(f"{seconds}\n")
        beside.replace(self._file)
