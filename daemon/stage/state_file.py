"""`StateFile`: what every parameter was when the show last ran, so that it comes back as it was, even after a crash.

JSON, one value an address, written whole or not at all and once a second at most.
"""

import json
import logging
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import platformdirs

from presets.atomic_write import write_atomically
from presets.errors import ParameterRefused
from presets.parameter_table import PARAMETERS, Value

log = logging.getLogger("state")

INTERVAL = 1.0
"""Seconds between two writes at least: a fader in motion must not wear the disk out."""

MOST_BYTES = 256 * 1024

_VERSION = 1


def default_state_path() -> Path:
    """Where this platform keeps the state of programs."""
    return Path(platformdirs.user_state_dir("streamflow-live", appauthor=False)) / "state.json"


class StateFile:
    """One show's state on the disk. Used by one thread, which may wait for the disk."""

    def __init__(self, path: Path | None = None, now: Callable[[], float] = time.monotonic) -> None:
        """`now` gives seconds on a monotonic clock."""
        self.path = path or default_state_path()
        self._now = now
        self._written: dict[str, Value] | None = None
        self._tried_at = -INTERVAL
        self._failing = False

    def restore(self) -> dict[str, Value]:
        """The values by address as the last show left them; empty where there was none.

        A damaged file is moved aside, and an entry that this version does not know is skipped; the log says so.
        """
        try:
            if self.path.exists() and not self.path.is_file():
                log.warning("%s: it is no plain file, so no state is read: the defaults play", self.path)
                return {}
            with self.path.open("rb") as file:
                data = file.read(MOST_BYTES + 1)
        except FileNotFoundError:
            return {}
        except OSError as error:
            log.warning("%s: the last show's state can't be read, the defaults play: %s", self.path, error.strerror)
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
                log.info("%s: %.60r is no parameter of this version; skipped", self.path, address)
            except ParameterRefused as refusal:
                log.warning("%s: %s: %s; its default plays", self.path, address, refusal)
        return values

    def save_if_changed(self, values: Mapping[str, Value], at_once: bool = False) -> bool:
        """Write `values` if they differ from what was written; True if they were.

        Within a second of the last try nothing is written, unless `at_once` (the show is stopping). A disk that is
        full or gone is told once, and tried again.
        """
        now = self._now()
        if values == self._written or (now - self._tried_at < INTERVAL and not at_once):
            return False
        self._tried_at = now
        kept = dict(values)
        try:
            write_atomically(self.path, json.dumps({"version": _VERSION, "values": kept}, indent=1).encode())
        except OSError as error:
            if not self._failing:
                log.error(
                    "%s: the show's state can't be kept: %s; the show goes on", self.path, error.strerror or error
                )
            self._failing = True
            return False
        self._written, self._failing = kept, False
        return True

    def _move_aside(self, damage: str) -> None:
        aside = self.path.with_name(self.path.name + ".damaged")
        try:
            self.path.replace(aside)
        except OSError as error:
            log.warning("%s: %s, and it can't be moved aside: %s; the defaults play", self.path, damage, error.strerror)
        else:
            log.warning("%s: %s; it is now %s, and the defaults play", self.path, damage, aside.name)


class _Damaged(Exception):
    pass


def _entries(data: bytes) -> dict[str, object]:
    """The values of a state file, not yet checked one by one. Raises `_Damaged`."""
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
