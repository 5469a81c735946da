"""`RecordedControls`: a recording of the control stream, read whole and checked before the first message is played.

The file is JSON Lines: a header, a line for each message, and an end if the recording was ended.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from presets.build import REBUILD_KEYS
from presets.control_lines import EndLine, LineRefused, read_header, read_line
from presets.declaration import LOCK
from presets.errors import ControlsError
from presets.parameter_table import PARAMETERS, Value
from presets.taken_message import LOOKS, SINKS, ShowStart, TakenMessage

SUFFIX = ".jsonl"
"""End of the names of recordings."""

MOST_MESSAGES = 1_000_000
"""Messages of the longest recording, which take some 220 MB of memory when it is played."""
MOST_LINE = 256 * 1024
"""Bytes of the longest line."""
MOST_BYTES = 1 << 30
"""Bytes of the largest file."""

_PAUSE_EVERY = 500
"""Lines between two pauses."""

_RIG_KEYS = REBUILD_KEYS | {"source", "source2"}
"""Keys of what a show is built with and of where its pictures come from."""

_MACHINE_KEYS = frozenset({"accelerator", "precision", "attention", "engine", "fallback"})
"""Keys of the renderer that depend on the machine, not on the look."""


@dataclass(frozen=True)
class RecordedControls:
    """A recording that can be played."""

    path: Path
    date: str
    start: ShowStart
    messages: tuple[TakenMessage, ...]
    """Messages in their order."""
    length: int
    """Nanoseconds from the start to the end."""
    is_cut: bool = False
    """True if the last line is not whole, as a crash leaves it. It is left out."""

    @cached_property
    def changed(self) -> frozenset[str]:
        """Addresses of the parameters that a message sets."""
        found = set[str]()
        for message in self.messages:
            found |= {message.address, *message.values}
        return frozenset(found & PARAMETERS.keys())

    def opening(self, start: ShowStart) -> dict[str, Value]:
        """Return the values that a show is set to at a start within the recording.

        Model, size and source belong to the show, and the take-over of faders to its surfaces. They are set only if
        the recording changes them. The lock is never set.
        """
        return {
            address: value
            for address, value in start.values.items()
            if address != LOCK and (not (_is_rig(address) or address == "/takeover") or address in self.changed)
        }

    def first_values(self) -> dict[str, Value]:
        """Return the values that a show begins with if it plays the recording at once: model and size too.

        What depends on the machine is left out, and an address whose password the file does not hold. The preset need
        not be there, so it has no name until the recording plays.
        """
        found = {
            address: value
            for address, value in self.start.values.items()
            if PARAMETERS[address].key not in _MACHINE_KEYS and address != LOCK and ":***@" not in str(value)
        }
        return {**found, "/preset": ""}

    def without_rig(self) -> tuple["RecordedControls", list[str]]:
        """Return the recording without any change of model, size, source or sinks, and the addresses left out."""
        kept: list[TakenMessage] = []
        left_out = dict[str, None]()
        for message in self.messages:
            own = {address: value for address, value in message.values.items() if not _is_rig(address)}
            if _is_rig(message.address) or message.address in SINKS:
                left_out[message.address] = None
            else:
                if message.address == LOOKS[0]:
                    left_out |= dict.fromkeys(message.values.keys() - own.keys())
                kept.append(message._replace(values=own))
        others = RecordedControls(self.path, self.date, self.start, tuple(kept), self.length, self.is_cut)
        return others, list(left_out)


def read_controls(path: Path, pause: Callable[[], None] = lambda: None) -> RecordedControls:
    """Read a recording.

    Args:
        path: The file.
        pause: Called now and then, so that a show goes on beside.

    Raises:
        ControlsError: The file can't be read, or is not a recording from the first line to the last.
    """
    try:
        if not path.is_file():  # a pipe would block
            raise ControlsError(f"{path}: {'not a plain file' if path.exists() else 'no such file'}")
        if (size := path.stat().st_size) > MOST_BYTES:
            raise ControlsError(f"{path}: a recording has at most {MOST_BYTES >> 20} MiB; this is {size >> 20} MiB")
        with path.open("rb") as file:
            return _Reader(path, iter(lambda: file.readline(MOST_LINE + 1), b""), pause).read()
    except OSError as error:
        raise ControlsError(f"{path}: it can't be read: {error.strerror or error}") from error


class _Reader:
    """Reads the lines of one file."""

    def __init__(self, path: Path, lines: Iterator[bytes], pause: Callable[[], None]) -> None:
        self._path = path
        self._lines = enumerate(lines, 1)
        self._pause = pause
        self._messages: list[TakenMessage] = []
        self._at = 0
        self._end: EndLine | None = None

    def read(self) -> RecordedControls:
        number, is_cut = 1, False
        try:
            _, first = next(self._lines, (1, b""))
            _expect_length(first)
            start, date = read_header(first)
            for number, line in self._lines:
                is_cut = self._take(line)
                if number % _PAUSE_EVERY == 0:
                    self._pause()
        except LineRefused as refusal:
            raise ControlsError(f"{self._path}:{number}: {refusal}") from refusal
        return RecordedControls(self._path, date, start, tuple(self._messages), self._at, is_cut)

    def _take(self, line: bytes) -> bool:
        """Take a line. Return True if it is the last one, and not whole."""
        _expect_length(line)
        if self._end is not None:
            raise LineRefused("nothing is expected after the end")
        try:
            read = read_line(line)
        except LineRefused:
            if line.endswith(b"\n"):
                raise
            return True
        if read.at < self._at:
            raise LineRefused(f"time must not go back: {read.at / 1e9:g} follows {self._at / 1e9:g}")
        self._at = read.at
        if isinstance(read, EndLine):
            self._end = read
        elif len(self._messages) == MOST_MESSAGES:
            raise LineRefused(f"a recording has at most {MOST_MESSAGES} messages")
        else:
            self._messages.append(read)
        return False


def _expect_length(line: bytes) -> None:
    if len(line) > MOST_LINE:
        raise LineRefused(f"a line has at most {MOST_LINE} bytes")


def _is_rig(address: str) -> bool:
    parameter = PARAMETERS.get(address)
    return parameter is not None and parameter.key in _RIG_KEYS
