"""Child processes of the bench. Requests and answers are JSON lines on standard input and output."""

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
    """A child process that runs one module of the bench. It ends with the ``with`` block."""

    def __init__(self, module: str, folder: Path) -> None:
        """Set the module to run, by its full name. Its standard error goes to a log file in `folder`."""
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
                # A process group of its own: Ctrl-C reaches the bench alone, which then ends its children in order.
                process_group=0 if sys.platform != "win32" else None,
            )
        threading.Thread(target=self._read_answers, name=f"answers of {self.module}", daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        resume([self._process.pid])
        if self._process.stdin is not None:
            with contextlib.suppress(BrokenPipeError):
                self._process.stdin.close()  # the child ends at the end of its standard input
        try:
            self._process.wait(1.0 if kind is None else 0.0)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def kill(self) -> None:
        """Kill the child at once."""
        self._process.kill()

    @property
    def pid(self) -> int:
        """Process id of the child."""
        return self._process.pid

    def begin(self, request: dict[str, Any]) -> None:
        """Send a request. `finish` returns its answer."""
        if self._process.stdin is None:
            raise RuntimeError("the child was started without a standard input")
        try:
            self._process.stdin.write(json.dumps(request).encode() + b"\n")
            self._process.stdin.flush()
        except BrokenPipeError as error:
            raise self._ended_early() from error

    def finish(self, seconds: float) -> dict[str, Any]:
        """Return the answer to the oldest request.

        Raises:
            NotMeasured: the answer is an error, the child ended, or `seconds` passed without an answer.
        """
        try:
            line = self._answers.get(timeout=seconds)
        except queue.Empty as error:
            raise NotMeasured(f"{self.module} gave no answer within {seconds:g} s") from error
        if not line:
            raise self._ended_early()
        answer: dict[str, Any] = json.loads(line)
        if "error" in answer:
            raise NotMeasured(f"{self.module}: {answer['error']}")
        return answer

    def ask(self, request: dict[str, Any], seconds: float = 300.0) -> dict[str, Any]:
        """Send a request and return its answer. Raise `NotMeasured` as `finish` does."""
        self.begin(request)
        return self.finish(seconds)

    def pause(self) -> None:
        """Suspend the child. It takes no processor time until `resume`."""
        pause([self._process.pid])

    def resume(self) -> None:
        """Resume the suspended child."""
        resume([self._process.pid])

    def _read_answers(self) -> None:
        if self._process.stdout is not None:
            with self._process.stdout as answers:
                for line in answers:
                    self._answers.put(line)
        self._answers.put(b"")

    def _ended_early(self) -> NotMeasured:
        return NotMeasured(f"{self.module} ended early{last_line(self.log)}")


def answer_requests(handlers: Mapping[str, Handler]) -> None:
    """Answer requests in the child until standard input ends.

    The key ``do`` of a request names its handler. The other keys are the handler's arguments. Standard output is
    redirected to standard error meanwhile, so that nothing a library prints gets between the answers.
    """
    stay_offline()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the bench ends its children itself
    with os.fdopen(os.dup(sys.stdout.fileno()), "w") as answers:
        os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
        for line in sys.stdin:
            request = json.loads(line)
            try:
                answer = handlers[request.pop("do")](**request)
            except StreamflowError as error:
                answer = {"error": str(error)}
            print(json.dumps(answer), file=answers, flush=True)


def last_line(log: Path) -> str:
    """Return ``: `` and the last line of a log, or an empty string for an empty log."""
    lines = log.read_text(errors="replace").split("\n") if log.exists() else []
    last = next((line.strip() for line in reversed(lines) if line.strip()), "")
    return f": {last[-300:]}" if last else ""


def pause(pids: Sequence[int]) -> None:
    """Suspend processes in this order."""
    for pid in pids:
        with contextlib.suppress(psutil.NoSuchProcess):
            psutil.Process(pid).suspend()


def resume(pids: Sequence[int]) -> None:
    """Resume processes in this order. A process that is not suspended stays as it is."""
    for pid in pids:
        with contextlib.suppress(psutil.NoSuchProcess):
            psutil.Process(pid).resume()
