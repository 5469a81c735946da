"""`ProcessorLane`: one processor in one place. A picture that it fails to change goes on as it was.

A saved file is started beside the process that plays, and takes over once it has changed a picture. One that fails
before is refused, and the one before plays on.
"""

import logging
import time
from typing import Any

from daemon.processors.failure_pause import FailurePause
from daemon.processors.memory_limit import memory_problem, most_memory
from daemon.processors.picture_segments import Picture
from daemon.processors.processor_file import Moment, ProcessorFile
from daemon.processors.processor_process import ProcessorAnswer, ProcessorProcess
from daemon.shared.clock import NS, Clock
from presets.errors import BridgeUnavailable, ProcessorError

log = logging.getLogger("stage.processors")

PATIENCE = 0.25
"""Seconds that a picture waits for its processor."""

SILENCE = 2.0
"""Seconds without an answer after which a process counts as stuck."""

LOADING = 30.0
"""Seconds for a file to run. It may import a large library."""

FIRST_PICTURE = 5.0
"""Seconds for the first picture of a process."""

MEMORY_CHECK = round(0.5 * NS)
"""Nanoseconds between two looks at the memory of a process."""


class ProcessorLane:
    """Life of one function of one processor. One thread calls the methods; any thread may ask for the status."""

    def __init__(
        self, place: int, name: str, moment: Moment, clock: Clock, patience: float = PATIENCE, memory: int = 0
    ) -> None:
        """`patience` is the time that a picture waits, in seconds; `memory` the bytes that a process may take."""
        self.place = place
        self.name = name
        self.moment: Moment = moment
        self.pictures = self.bypassed = self.starts = 0
        self.refused = ""
        """File, line and problem of the newest file that was refused; empty if it plays."""
        self._clock = clock
        self._patience = patience
        self._most_memory = memory or most_memory()
        self._pause = FailurePause(clock)
        self._file: ProcessorFile | None = None
        self._good: ProcessorFile | None = None
        """Contents that have changed a picture."""
        self._current: ProcessorProcess | None = None
        self._next: ProcessorProcess | None = None
        self._memory_at = 0
        self._seconds = 0.0

    def tend(self, file: ProcessorFile) -> None:
        """Start, replace and stop processes, so that the newest contents of the file play."""
        if file is not self._file:
            self._file, self.refused = file, ""
            self._pause.forget()
            if self._next is not None:
                self._next.end()
                self._next = None
        self._watch()
        wanted = self._good if self.refused and self._good is not None else file
        plays = self._current is not None and self._current.file is wanted
        if not plays and self._next is None and self._clock.now() >= self._pause.next_start:
            try:
                self._next = ProcessorProcess(wanted, self.moment, self._clock, self._most_memory)
                self.starts += 1
            except ProcessorError as error:
                self._pause.failed(str(error))
                self._pause.stopped(self._clock.now())

    def process(self, picture: Picture, shares: tuple[float, ...]) -> Picture:
        """Return the picture as the processor changes it, or the same object if it fails or is late."""
        changed = self._tried(picture, shares)
        if changed is None:
            changed = self._changed(picture, shares)
        if changed is None:
            self.bypassed += 1
            return picture
        self.pictures += 1
        return changed

    def end(self) -> None:
        """End the processes."""
        for process in (self._current, self._next):
            if process is not None:
                process.end()
        self._current = self._next = None

    @property
    def trouble(self) -> str:
        """Sentence about what is wrong now; empty if nothing is."""
        if self.refused:
            return f"{self.refused}; " + ("the file before it plays on" if self._good else "pictures go on without it")
        trouble = self._pause.trouble
        return f"{trouble}; pictures go on without it" if trouble else ""

    def status(self) -> dict[str, Any]:
        """Return the counters, ready for JSON."""
        state = "playing" if self._current is not None else "starting" if self._next is not None else "bypassed"
        return {
            "place": self.place,
            "name": self.name,
            "moment": self.moment,
            "state": state,
            "pictures": self.pictures,
            "bypassed": self.bypassed,
            "failures": self._pause.failures,
            "starts": self.starts,
            "ms": round(self._seconds * 1000, 1),
            "problem": self.trouble,
        }

    def _tried(self, picture: Picture, shares: tuple[float, ...]) -> Picture | None:
        """Return the picture as the next process changes it, which takes over then; None if it does not yet."""
        process = self._next
        if process is None or not process.is_ready:
            return None
        is_new = not process.asked_at
        answer = self._ask(process, picture, shares)
        if answer is None:
            return None
        if answer.picture is None:
            self._next_failed(answer.problem)
            return None
        if self._current is not None:
            self._current.end()
        self._current, self._next, self._good = process, None, process.file
        self._pause.worked()
        log.info("Processor %s (%s) plays.", self.name, self.moment)
        return answer.picture if is_new else None

    def _changed(self, picture: Picture, shares: tuple[float, ...]) -> Picture | None:
        process = self._current
        if process is None:
            return None
        is_new = not process.asked_at
        began = time.perf_counter()
        answer = self._ask(process, picture, shares)
        if answer is None:
            if is_new:
                self._failed(f"{process.file.path.name}: a picture took more than {self._patience:g} s")
            return None
        if not is_new:  # too late for its picture, and this one is given to it
            return self._changed(picture, shares)
        if answer.picture is None:
            if not process.ending():  # otherwise `_watch` tells
                self._failed(answer.problem)
            return None
        self._seconds += (time.perf_counter() - began - self._seconds) / 16
        self._pause.worked()
        return answer.picture

    def _ask(self, process: ProcessorProcess, picture: Picture, shares: tuple[float, ...]) -> ProcessorAnswer | None:
        """Return the answer to this picture, or the one to the picture that the process still has."""
        if process.asked_at:
            return process.answer(0.0)
        try:
            process.give(picture, process.file.arguments(self.moment, shares))
        except BridgeUnavailable as error:
            return ProcessorAnswer(None, str(error))
        return process.answer(self._patience)

    def _failed(self, problem: str) -> None:
        process = self._current
        if self._pause.failed(problem) and process is not None:
            self._stop_current()

    def _stop_current(self) -> None:
        if self._current is not None:
            self._current.end()
            self._pause.stopped(self._current.started_at)
        self._current = None

    def _next_failed(self, problem: str) -> None:
        process, self._next = self._next, None
        if process is None:
            return
        process.end()
        if self._good is not None and process.file is not self._good:
            self.refused = problem
            return
        self._pause.failed(problem)
        self._pause.stopped(process.started_at)

    def _watch(self) -> None:
        """Stop processes that ended, say nothing or take too much memory."""
        now = self._clock.now()
        current, following = self._current, self._next
        if current is not None:
            problem = current.ending() or self._memory(current, now)
            if not problem and current.asked_at and now - current.asked_at > SILENCE * NS:
                problem = _stuck(current, SILENCE)
            if problem:
                self._pause.failed(problem)
                self._stop_current()
        if following is not None:
            problem = following.ending() or self._memory(following, now)
            limit = FIRST_PICTURE if following.asked_at else LOADING
            is_asked = following.asked_at or not following.is_ready
            if not problem and is_asked and now - (following.asked_at or following.started_at) > limit * NS:
                problem = _stuck(following, limit)
            if problem:
                self._next_failed(problem)

    def _memory(self, process: ProcessorProcess, now: int) -> str:
        if now - self._memory_at < MEMORY_CHECK:
            return ""
        self._memory_at = now
        problem = memory_problem(process.pid, self._most_memory)
        return f"{process.file.path.name}: {problem}" if problem else ""


def _stuck(process: ProcessorProcess, seconds: float) -> str:
    where = process.where(0.2) or process.file.path.name
    return f"{where}: no answer for {seconds:g} s, so it was stopped"
