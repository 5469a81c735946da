"""`StateFile`: keeps every parameter on disk, so that a show continues as it was, even after a crash.

The file is JSON with one value per address. It is written atomically, at most once per second.
"""

import json
import logging
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import IO

import platformdirs

from daemon.shared.file_lock import lock_file
from daemon.stage.notices import Notice
from presets.atomic_write import remove_leftovers, write_atomically
from presets.errors import ParameterRefused
from presets.parameter_table import PARAMETERS, Value

log = logging.getLogger("state")

INTERVAL = 1.0
"""Least seconds between two writes. A moving fader must not wear the disk out."""

MOST_BYTES = 256 * 1024
"""Largest file that is read."""

_VERSION = 1


def default_state_path() -> Path:
    """Return the path of the state file in the state folder of this platform."""
    return Path(platformdirs.user_state_dir("streamflow-live", appauthor=False)) / "state.json"


class StateFile:
    """State of one show on the disk. For one thread, which may wait for the disk."""

    def __init__(self, path: Path | None = None, now: Callable[[], float] = time.monotonic) -> None:
        """`now` returns seconds on a monotonic clock."""
        self.path = path or default_state_path()
        self._now = now
        self._written: dict[str, Value] | None = None
        self._tried_at = -INTERVAL
        self.failure = ""
        """Reason why the last write failed; empty if it did not."""

    def restore(self) -> dict[str, Value]:
        """Return the values of the last show by address; empty if there was none.

        A damaged file is moved aside, and an unknown parameter is skipped. Both are logged.
        """
        try:
            if self.path.exists() and not self.path.is_file():
                log.warning("%s: it is no regular file. Starting with the defaults.", self.path)
                return {}
            with self.path.open("rb") as file:
                data = file.read(MOST_BYTES + 1)
        except FileNotFoundError:
            return {}
        except OSError as error:
            log.warning("%s: it can't be read: %s. Starting with the defaults.", self.path, error.strerror)
            return {}
        try:
            entries = _entries(data)
        except _Damaged as damage:
            self._move_aside(str(damage))
            return {}
        values: dict[str, Value] = {}
        for address, value in entries.items():
            try:
                values[address] = PARAMETERS[address].coerce(value)
            except KeyError:
                log.info("%s: skipping %.60r, which is no parameter of this version", self.path, address)
            except ParameterRefused as refusal:
                log.warning("%s: %s: %s. Starting with its default.", self.path, address, refusal)
        return values

    def save_if_changed(self, values: Mapping[str, Value], at_once: bool = False) -> bool:
        """Write `values` if they differ from those in the file. Return True if they were written.

        Within a second of the last attempt nothing is written, unless `at_once` (when the show stops). A full or
        missing disk is logged once and tried again.
        """
        now = self._now()
        if values == self._written or (now - self._tried_at < INTERVAL and not at_once):
            return False
        self._tried_at = now
        kept = dict(values)
        try:
            # Private, because the address of a source may hold a password.
            document = json.dumps({"version": _VERSION, "values": kept}, indent=1)
            write_atomically(self.path, document.encode(), private=True)
        except OSError as error:
            if not self.failure:
                log.error("%s: the state can't be saved: %s. The show continues.", self.path, error.strerror or error)
            self.failure = error.strerror or str(error)
            return False
        self._written, self.failure = kept, ""
        return True

    def _move_aside(self, damage: str) -> None:
        aside = self.path.with_name(self.path.name + ".damaged")
        try:
            self.path.replace(aside)
        except OSError as error:
            log.warning(
                "%s: %s, and it can't be moved aside: %s. Starting with the defaults.",
                self.path,
                damage,
                error.strerror,
            )
        else:
            log.warning("%s: %s. Moved it to %s. Starting with the defaults.", self.path, damage, aside.name)


class _Damaged(Exception):
    pass


def _entries(data: bytes) -> dict[str, object]:
    """Return the values of a state file, not coerced yet. Raises `_Damaged`."""
    if len(data) > MOST_BYTES:
        raise _Damaged(f"it is larger than {MOST_BYTES // 1024} KiB")
    try:
        document = json.loads(data)
    except (ValueError, RecursionError) as error:  # UnicodeDecodeError and JSONDecodeError are ValueErrors
        raise _Damaged(f"it is not JSON ({str(error)[:100]})") from error
    if not isinstance(document, dict) or not isinstance(document.get("values"), dict):
        raise _Damaged("it holds no values")
    entries: dict[str, object] = document["values"]
    return entries


class KeptState:
    """State file of a running show. It is locked, so that no other show saves there. Without a path nothing is kept."""

    def __init__(self, path: Path | None, values: Callable[[], dict[str, Value]]) -> None:
        """`values` returns everything to keep, by address."""
        self._path = path
        self._values = values
        self._file: StateFile | None = None
        self._lock: IO[bytes] | None = None

    def claim(self) -> None:
        """Lock the file. Raises `SettingsError` if another show keeps its state there."""
        if self._path is not None:
            self._lock = lock_file(self._path)
            if self._lock is not None:  # otherwise another show may be writing
                remove_leftovers(self._path)
            self._file = StateFile(self._path)

    def save(self, at_once: bool = False) -> None:
        """Save what has changed, if the file is claimed."""
        if self._file is not None:
            self._file.save_if_changed(self._values(), at_once)

    def notices(self) -> list[Notice]:
        """Return a notice while the state can't be saved. Any thread may call it."""
        if self._file is None or not self._file.failure:
            return []
        reason = f"{self._file.path}: {self._file.failure}"
        text = f"The state can't be saved: {reason}. A restart would bring an older one back."
        return [Notice("state", "warning", text, in_log=False)]

    def release(self) -> None:
        """Unlock the file."""
        if self._lock is not None:
            self._lock.close()
