"""`ProcessorProcess`: the child process that runs a processor, as the stage sees it. It never waits without a limit."""

import contextlib
import json
import logging
import os
import signal
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Mapping
from typing import IO, Any, NamedTuple

from daemon.processors.foreign_code import one_line
from daemon.processors.picture_segments import Picture, StageSegments
from daemon.processors.processor_file import Moment, ProcessorFile
from daemon.shared.clock import Clock
from presets.errors import ProcessorError

log = logging.getLogger("stage.processors")

LONGEST_LINE = 4096
"""Most bytes of an answer, and of a line that the file prints."""

LONGEST_DYING = 2.0
"""Seconds to wait for a killed process to be gone."""


class ProcessorAnswer(NamedTuple):
    """Answer to one picture."""

    picture: Picture | None
    """The picture that came back; None if it failed."""
    problem: str = ""


class ProcessorProcess:
    """A started process. The thread that makes it calls the methods; one picture is with it at a time."""

    def __init__(self, file: ProcessorFile, moment: Moment, clock: Clock, memory: int) -> None:
        """Start the process with so many bytes of memory, and return at once.

        Raises `ProcessorError` where the system can't.
        """
        self.file = file
        self.moment: Moment = moment
        self._clock = clock
        self._memory = memory
        self.started_at = clock.now()
        self.asked_at = 0
        """Time at which the picture that is with it was given, nanoseconds; 0 for none."""
        self._condition = threading.Condition()
        self._ready = self._gone = False
        self._failure = self._where = ""
        self._number = 0
        self._answered: tuple[int, str] = (0, "")
        self._segments: StageSegments | None = None
        self._said: deque[str] = deque(maxlen=20)
        try:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "daemon.processors"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                # A group of its own, which dies with it: a processor may start programs.
                process_group=0 if sys.platform != "win32" else None,
            )
        except OSError as error:
            raise ProcessorError(f"{file.path.name}: no process: {error.strerror or error}") from error
        for work, name in ((self._listen, "processor"), (self._log, "processor-log")):
            threading.Thread(target=work, name=f"{name} {file.name}", daemon=True).start()

    @property
    def pid(self) -> int:
        """Process id."""
        return self._process.pid

    @property
    def is_ready(self) -> bool:
        """True once the file has run and its function can be called."""
        return self._ready

    def ending(self) -> str:
        """Return why the process is lost; empty while it is not."""
        if not self._gone:
            return ""
        if self._failure:
            return self._failure
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(0.2)
        status = self._process.poll()
        how = f"signal {-status}" if status is not None and status < 0 else f"status {status}"
        last = f"; its last words: {self._said[-1]}" if self._said else ""
        return one_line(f"{self.file.path.name}: its process ended with {how}{last}")

    def give(self, picture: Picture, values: Mapping[str, float]) -> None:
        """Hand over a picture. There must be none with it. Raises `BridgeUnavailable` if memory is short."""
        if self._segments is None or self._segments.shape != picture.shape:
            if self._segments is not None:
                self._segments.close()
            self._segments = None
            self._segments = StageSegments(picture.shape)
        self._segments.write(picture)
        self._number += 1
        self.asked_at = self._clock.now()
        self._send(picture=self._number, segments=self._segments.names, shape=picture.shape, values=dict(values))

    def answer(self, patience: float) -> ProcessorAnswer | None:
        """Return the answer to the picture that is with it, within so many seconds; None if there is none yet."""
        with self._condition:
            self._condition.wait_for(lambda: self._gone or self._answered[0] == self._number, patience)
            number, problem = self._answered
            gone = self._gone
        if number != self._number:
            return ProcessorAnswer(None, self.ending()) if gone else None
        self.asked_at = 0
        if self._segments is None or problem:
            return ProcessorAnswer(None, problem)
        self._segments.forget_names()
        return ProcessorAnswer(self._segments.read())

    def where(self, patience: float) -> str:
        """Return ``file:line in function`` of the line that it is at; empty if it can't tell within so many seconds."""
        self._where = ""
        self._send(where=True)
        with self._condition:
            self._condition.wait_for(lambda: self._gone or self._where, patience)
        return self._where

    def end(self) -> None:
        """Kill the process and all that it started."""
        with contextlib.suppress(OSError):
            if sys.platform == "win32":
                self._process.kill()
            else:
                os.killpg(self._process.pid, signal.SIGKILL)
        try:
            self._process.wait(LONGEST_DYING)
        except subprocess.TimeoutExpired:
            # Stuck within the kernel. The show must not wait for it.
            log.error("Process %d of %s does not die. It is left behind.", self.pid, self.file.path.name)
        if self._process.stdin is not None:
            with contextlib.suppress(OSError):
                self._process.stdin.close()
        if self._segments is not None:
            self._segments.close()
            self._segments = None

    def _send(self, **request: Any) -> None:
        # A request is short and one is under way at a time, so that the pipe always has room.
        stdin = self._process.stdin
        with contextlib.suppress(OSError, ValueError):
            if stdin is not None:
                stdin.write(json.dumps(request).encode() + b"\n")
                stdin.flush()

    def _listen(self) -> None:
        file = self.file
        # Here, because a long file fills the pipe until the process has started.
        self._send(path=str(file.path), source=file.source, moment=self.moment, memory=self._memory)
        stream: IO[bytes] | None = self._process.stdout
        while stream is not None and (line := stream.readline(LONGEST_LINE)):
            try:
                answer = json.loads(line)
            except (ValueError, RecursionError):  # a file may write where it should not
                continue
            if isinstance(answer, dict):
                with self._condition:
                    self._take(answer)
                    self._condition.notify_all()
        if stream is not None:
            stream.close()
        with self._condition:
            self._gone = True
            self._condition.notify_all()

    def _take(self, answer: Mapping[str, Any]) -> None:
        self._ready = self._ready or answer.get("ready") is True
        self._failure = self._failure or one_line(str(answer.get("failed", "")))
        self._where = one_line(str(answer.get("where", self._where)))
        if isinstance(number := answer.get("picture"), int):
            self._answered = number, one_line(str(answer.get("problem", "")))

    def _log(self) -> None:
        stream = self._process.stderr
        while stream is not None and (line := stream.readline(LONGEST_LINE)):
            text = one_line(line.decode(errors="replace").rstrip())
            if text.strip():
                self._said.append(text)
            log.debug("%s: %s", self.file.path.name, text)
        if stream is not None:
            stream.close()
