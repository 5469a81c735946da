"""`ChildProcess`: a process of the bench's own that does one request at a time: JSON lines in, JSON lines out."""

import contextlib
import json
import os
import queue
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

import psutil

from benchmarks.report.findings import NotMeasured
from daemon.shared.offline_environment import stay_offline
from presets.errors import StreamflowError

Handler = Callable[..., dict[str, Any]]


class ChildProcess:
    """A child process that runs a module of the bench. It ends with the ``with`` block."""

    def __init__(self, module: str, folder: Path) -> None:
        """Take the module to run. Its standard error goes to a log in `folder`."""
        self.module = module
        self.log = folder / f"{module}.log"
        self._answers: queue.Queue[bytes] = queue.Queue()

    def __enter__(self) -> "ChildProcess":
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", self.module],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                # Ctrl-C in a terminal reaches the bench alone, which ends its children in order.
                process_group=0 if sys.platform != "win32" else None,
            )
        threading.Thread(target=self._listen, name=f"answers of {self.module}", daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        resume([self._process.pid])
        if self._process.stdin is not None:
            with contextlib.suppress(BrokenPipeError):
                self._process.stdin.close()  # its end is what ends the child
        try:
            self._process.wait(1.0 if kind is None else 0.0)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    @property
    def pid(self) -> int:
        """Of the process."""
        return self._process.pid

    def begin(self, request: dict[str, Any]) -> None:
        """Send a request; `finish` has its answer."""
        if self._process.stdin is None:
            raise RuntimeError("the child was started without a standard input")
        try:
            self._process.stdin.write(json.dumps(request).encode() + b"\n")
            self._process.stdin.flush()
        except BrokenPipeError as error:
            raise self._gone() from error

    def finish(self, seconds: float) -> dict[str, Any]:
        """The answer to the oldest request. Raises `NotMeasured` for an error, an early end, or no answer in time."""
        try:
            line = self._answers.get(timeout=seconds)
        except queue.Empty as error:
            raise NotMeasured(f"the {self.module} process gave no answer within {seconds:.0f} s") from error
        if not line:
            raise self._gone()
        answer: dict[str, Any] = json.loads(line)
        if "error" in answer:
            raise NotMeasured(f"the {self.module} process: {answer['error']}")
        return answer

    def ask(self, request: dict[str, Any], seconds: float = 300.0) -> dict[str, Any]:
        """A request and its answer."""
        self.begin(request)
        return self.finish(seconds)

    def pause(self) -> None:
        """Stop it where it stands: it takes no processor time until `resume`."""
        pause([self._process.pid])

    def resume(self) -> None:
        """Let it go on."""
        resume([self._process.pid])

    def _listen(self) -> None:
        if self._process.stdout is not None:
            with self._process.stdout as answers:
                for line in answers:
                    self._answers.put(line)
        self._answers.put(b"")

    def _gone(self) -> NotMeasured:
        return NotMeasured(f"the {self.module} process ended early{last_words(self.log)}")


def last_words(log: Path) -> str:
    """What a log ends with, as the end of a sentence; empty where it says nothing."""
    lines = log.read_text(errors="replace").split("\n") if log.exists() else []
    last = next((line.strip() for line in reversed(lines) if line.strip()), "")
    return f": {last[-300:]}" if last else ""


def pause(pids: Sequence[int]) -> None:
    """Suspend processes, in this order."""
    for pid in pids:
        with contextlib.suppress(psutil.NoSuchProcess):
            psutil.Process(pid).suspend()


def resume(pids: Sequence[int]) -> None:
    """Let suspended processes go on, in this order; one that was not suspended is left as it is."""
    for pid in pids:
        with contextlib.suppress(psutil.NoSuchProcess):
            psutil.Process(pid).resume()


def answer_requests(handlers: Mapping[str, Handler]) -> None:
    """Do what is asked until standard input ends. Each request's ``do`` names a handler, its other keys its arguments.

    Whatever a library prints meanwhile goes to standard error, so that it can't stand between the answers.
    """
    stay_offline()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the bench decides when this ends
    with os.fdopen(os.dup(sys.stdout.fileno()), "w") as answers:
        os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
        for line in sys.stdin:
            request = json.loads(line)
            try:
                answer = handlers[request.pop("do")](**request)
            except StreamflowError as error:
                answer = {"error": str(error)}
            print(json.dumps(answer), file=answers, flush=True)
