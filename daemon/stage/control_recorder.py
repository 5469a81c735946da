"""`ControlRecorder`: records the messages that a show takes to a file, on a thread of its own.

A crash loses at most the last half second: so often the file is written and given to the disk.
"""

import logging
import os
import threading
from collections import deque
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, NamedTuple

from daemon.shared.clock import NS, Clock
from daemon.stage.parameter_store import ParameterStore
from daemon.stage.source_addresses import SOURCES
from io_bridges.disk_space import shortage
from io_bridges.scheme import without_password
from presets.control_file import MOST_MESSAGES
from presets.control_lines import LONGEST
from presets.declaration import TRIGGERS
from presets.errors import BridgeError
from presets.parameter_table import Value
from presets.taken_message import RESTART, TEMPO, ShowStart, TakenMessage, TempoMark, to_end, to_header, to_line

log = logging.getLogger("stage.controls")

INTERVAL = 0.5
"""Seconds between two writes."""
MOST_WAITING = 20_000
"""Messages that wait for the disk. The oldest of more is dropped and counted."""
_MOST_NUMBERS = 10_000
_LONGEST_OPENING = 5.0
"""Seconds that a show waits at its start for the disk."""

Outcome = Callable[[str, str], None]
"""Takes the path of a recording that has begun, or the reason why it can't."""


class RecordingState(NamedTuple):
    """State of the newest recording."""

    path: str = ""
    is_on: bool = False
    messages: int = 0
    seconds: float = 0.0
    dropped: int = 0
    failure: str = ""
    """Reason why it ended by itself; empty if it did not."""


class ControlRecorder:
    """Records one file at a time. Any thread may call it."""

    def __init__(self, store: ParameterStore, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._ending = threading.Event()
        self._waiting: deque[TakenMessage] = deque(maxlen=MOST_WAITING)
        self._began = self._newest = 0
        self._state = RecordingState()

    @property
    def state(self) -> RecordingState:
        """State of the newest recording."""
        state = self._state
        return state._replace(seconds=(self._clock.now() - self._began) / NS) if state.is_on else state

    @property
    def is_on(self) -> bool:
        """True while a file is open, or being opened or closed."""
        return self._thread is not None and self._thread.is_alive()

    def record(self, path: Path, outcome: Outcome, with_folder: bool = False) -> bool:
        """Begin a recording, as soon as its file is open and the one before is closed. Return False while one is on.

        A name that is taken gets a number: ``rehearsal-2.jsonl``. `outcome` is called on another thread. `with_folder`
        makes the folder if it is not there.
        """
        with self._lock:
            if self.is_on and not self._ending.is_set():
                return False
            self._ending = threading.Event()
            work = (path, with_folder, outcome, self._ending, self._thread)
            self._thread = threading.Thread(target=self._run, args=work, name="record-controls", daemon=True)
            self._thread.start()
            return True

    def record_now(self, path: Path) -> None:
        """Begin a recording and return when it has begun. Raises `BridgeError`."""
        opened, problems = threading.Event(), list[str]()

        def outcome(_: str, problem: str) -> None:
            problems.append(problem)
            opened.set()

        self.record(path, outcome)
        if not opened.wait(_LONGEST_OPENING):
            raise BridgeError(f"Cannot record controls into {path}: the disk does not answer")
        if problems[0]:
            raise BridgeError(problems[0])

    def end(self, wait: float = 0.0) -> bool:
        """End the recording, and wait so many seconds until the file is whole. Return False if there is none."""
        with self._lock:
            thread, was_on = self._thread, self.is_on and not self._ending.is_set()
            self._ending.set()
        if thread is not None:
            thread.join(wait)
        return was_on

    def _run(
        self,
        wanted: Path,
        with_folder: bool,
        outcome: Outcome,
        ending: threading.Event,
        before: threading.Thread | None,
    ) -> None:
        if before is not None:
            before.join()
        try:
            if with_folder:
                wanted.parent.mkdir(parents=True, exist_ok=True)
            file, path = _open_new(wanted)
        except OSError as error:
            outcome("", f"Cannot record controls into {wanted}: {error.strerror or error}")
            return
        has_begun = False
        try:
            with file:
                self._begin(file, path)
                has_begun = True
                outcome(str(path), "")
                log.info("recording the controls into %s", path)
                self._write(file, path, ending)
        except OSError as error:
            problem = f"Cannot write to {path}: {error.strerror or error}"
            self._fail(problem)
            if not has_begun:
                outcome("", problem)
        finally:
            self._store.note_messages(None)
            self._state = self.state._replace(is_on=False)

    def _begin(self, file: IO[str], path: Path) -> None:
        self._waiting.clear()
        self._newest = 0
        self._state = RecordingState(str(path), True)
        self._began = self._clock.now()
        values, loaded = self._store.note_messages(self._take)
        start = ShowStart(values, loaded.name, loaded.values, *self._tempo(float(values["/bpm"])))
        file.write(to_header(_without_passwords(start), datetime.now(UTC).isoformat(timespec="seconds")))
        file.flush()

    def _take(self, message: TakenMessage) -> None:
        """Put a message in line. The store calls it with its lock held, so that the order is that of the changes."""
        at = self._clock.now() - self._began
        if message.address in TEMPO:
            bpm = float(message.arguments[0]) if message.arguments else None
            message = message._replace(at=at, tempo=self._tempo(bpm)[0])
        elif message.start is not None:
            tempo, began = self._tempo(float(message.start.values["/bpm"]))
            message = message._replace(at=at, start=message.start._replace(tempo=tempo, began=began))
        else:
            if message.address in TRIGGERS:  # an envelope goes on from its start, to the instant
                started = self._store.tempo.triggered_at(TRIGGERS.index(message.address)) - self._began
                at = max(started, self._newest)  # times never go back in a file
            message = message._replace(at=at)
        self._newest = at
        state = self._state
        is_full = len(self._waiting) == MOST_WAITING
        self._waiting.append(message)
        self._state = state._replace(messages=state.messages + 1, dropped=state.dropped + is_full)

    def _tempo(self, bpm: float | None) -> tuple[TempoMark, int]:
        """Return the tempo of now, and since when the seconds count, in nanoseconds of the recording."""
        mark, began = self._store.tempo.mark(bpm)
        return mark._replace(at=mark.at - self._began), began - self._began

    def _write(self, file: IO[str], path: Path, ending: threading.Event) -> None:
        """Write what waits until the recording is ended, or can't go on."""
        written, is_ending = 0, False
        while not is_ending:
            is_ending = ending.wait(INTERVAL)
            if is_ending:
                self._store.note_messages(None)
                ended = self._clock.now() - self._began
            if problem := shortage(path.parent, "a recording of controls", "record"):
                self._fail(problem)
                return
            while self._waiting:
                message = self._waiting.popleft()
                if written == MOST_MESSAGES or message.at > LONGEST * NS:
                    self._fail(f"{path} has {written} messages, and is full. Record into another file")
                    return
                file.write(to_line(_clean(message)))
                written += 1
            if is_ending:
                file.write(to_end(ended, self._state.dropped))
                log.info("recorded %d control messages in %.1f s into %s", written, ended / NS, path)
            file.flush()
            os.fsync(file.fileno())

    def _fail(self, reason: str) -> None:
        self._store.note_messages(None)  # a message that is taken meanwhile would set the state too
        self._state = self._state._replace(failure=reason)
        log.error("the recording of the controls has ended: %s", reason)


def _open_new(path: Path) -> tuple[IO[str], Path]:
    """Open a file that was not there, and return it with its path. Raises `OSError`."""
    for number in range(1, _MOST_NUMBERS):
        free = path if number == 1 else path.with_name(f"{path.stem}-{number}{path.suffix}")
        try:
            return free.open("x", encoding="utf-8", errors="replace", newline="\n"), free
        except FileExistsError:
            continue
    raise OSError(f"{path.parent} holds {_MOST_NUMBERS} recordings of that name")


def _clean(message: TakenMessage) -> TakenMessage:
    if message.address == RESTART and message.start is not None:
        return message._replace(start=_without_passwords(message.start))
    return message._replace(values=_hidden(message.values)) if message.values else message


def _without_passwords(start: ShowStart) -> ShowStart:
    return start._replace(values=_hidden(start.values), preset_values=_hidden(start.preset_values))


def _hidden(values: Mapping[str, Value]) -> dict[str, Value]:
    return {key: without_password(str(value)) if key in SOURCES else value for key, value in values.items()}
