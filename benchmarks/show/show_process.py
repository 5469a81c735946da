"""A real ``streamflow-live run`` on free ports, controlled and measured from outside."""

import contextlib
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import psutil
import zmq

from benchmarks.child_process import last_line, pause, resume
from benchmarks.report.findings import NotMeasured
from benchmarks.show.received_frames import ReceivedFrame
from benchmarks.show.sink_reader import SinkReader

FIRST_FRAME = 300.0
"""Seconds until the first rendered frame at most. Slow disks, cold caches and single cores are allowed for."""

LONGEST_PAUSE = 8.0
"""Longest pause of a show in seconds. After ten seconds the stage would replace the renderer."""


class ShowProcess:
    """A running show. The ``with`` block starts it at `started_at` and stops it; `reader` receives its output."""

    def __init__(
        self,
        folder: Path,
        preset: Mapping[str, object],
        *,
        source: str = "card:",
        fps: float = 30.0,
        cache: Path | None = None,
        folders: Sequence[Path] = (),
        options: Sequence[str] = (),
    ) -> None:
        """Set up the command.

        Args:
            folder: Folder for the show's own files.
            preset: Keys and values of the preset to play.
            source: As of ``--source``.
            fps: Rate of the output clock.
            cache: Cache folder in place of the user's. None uses the user's.
            folders: Folders whose files messages may name.
            options: Further options of ``run``.
        """
        folder.mkdir(parents=True, exist_ok=True)
        self.osc_port = free_port(socket.SOCK_DGRAM)
        self.control_port, self.web_port, out = (free_port() for _ in range(3))
        self.sink_address = f"tcp://127.0.0.1:{out}"
        path = folder / "look.yaml"
        path.write_text(json.dumps(dict(preset)))  # JSON is YAML
        self.command = [
            *(sys.executable, "-m", "daemon", "run", str(path), "--fresh", "--understudy", "off"),
            *("--source", source, "--sink", f"zmq:{self.sink_address}", "--fps", str(fps)),
            *("--osc", str(self.osc_port), "--control", str(self.control_port), "--web", str(self.web_port)),
            *("--state", str(folder / "state.json"), "--presets", str(folder / "presets")),
            *(option for path in folders for option in ("--allow-folder", str(path))),
            *options,
        ]
        self.log = folder / "show.log"
        self.reader = SinkReader(self.sink_address)
        self.started_at = 0
        """Start of the process in ns on the monotonic clock."""
        self._cache = {} if cache is None else {"XDG_CACHE_HOME": str(cache)}
        self._paused: list[int] = []

    def __enter__(self) -> Self:
        self.reader.start()
        with self.log.open("ab") as log:
            self.started_at = time.monotonic_ns()
            self._process = subprocess.Popen(
                self.command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=os.environ | self._cache,
                process_group=0 if sys.platform != "win32" else None,
            )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.resume()
        children = self._renderers()
        self._process.terminate()
        try:
            self._process.wait(10.0)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        for child in children:
            with contextlib.suppress(psutil.NoSuchProcess):
                child.kill()
        self.reader.stop()

    @property
    def pid(self) -> int:
        """Process id of the stage."""
        return self._process.pid

    def first_frame(self) -> ReceivedFrame:
        """Wait for the first rendered frame. Raise `NotMeasured` with the last line of the log without one."""
        return self.wait_for_frame(self.started_at)

    def wait_for_frame(self, since: int) -> ReceivedFrame:
        """Wait for the first rendered frame that is received at `since` (ns) or later. Raise as `first_frame`."""
        deadline = time.monotonic() + FIRST_FRAME
        while True:
            try:
                return self.reader.wait_for(lambda frame: frame.rendered, 1.0, "a frame", since)
            except NotMeasured as error:
                if self._process.poll() is not None:
                    raise NotMeasured(f"the show ended before it had a frame{last_line(self.log)}") from error
                if time.monotonic() > deadline:
                    raise NotMeasured(
                        f"the show had no frame within {FIRST_FRAME:.0f} s{last_line(self.log)}"
                    ) from error

    def wait_for_renderer(self, condition: Callable[[dict[str, Any]], bool], what: str) -> None:
        """Wait until the renderer's status meets the condition. Raise `NotMeasured` naming `what` if it does not."""
        deadline = time.monotonic() + FIRST_FRAME
        while not condition(self.status()["renderer"]):
            if time.monotonic() > deadline:
                raise NotMeasured(f"{what} did not play within {FIRST_FRAME:.0f} s")
            time.sleep(0.05)

    def status(self) -> dict[str, Any]:
        """Return the status that the show reports. Raise `NotMeasured` if it does not answer."""
        status: dict[str, Any] = self._ask({"do": "status"})["status"]
        return status

    def set_value(self, address: str, value: object) -> None:
        """Set a parameter. Raise `NotMeasured` with the show's sentence if it is refused."""
        answer = self._ask({"do": "set", "address": address, "value": value})
        if not answer["ok"]:
            raise NotMeasured(f"the show refuses {answer['error']}")

    def value(self, address: str) -> object:
        """Return the value of a parameter. Raise `NotMeasured` if the show does not answer."""
        return self._ask({"do": "get", "address": address})["values"][address]

    def _ask(self, request: Mapping[str, object]) -> dict[str, Any]:
        with zmq.Context() as context, context.socket(zmq.REQ) as client:
            client.linger = 0
            client.connect(f"tcp://127.0.0.1:{self.control_port}")
            client.send_json(dict(request))
            if not client.poll(10_000):
                raise NotMeasured(f"the show does not answer{last_line(self.log)}")
            answer: dict[str, Any] = json.loads(client.recv())
            return answer

    def processor_seconds(self) -> tuple[float, float]:
        """Return the processor time so far of the stage, and of the living renderers together."""
        stage, *renderers = (process.cpu_times() for process in self._processes())
        return stage.user + stage.system, sum(times.user + times.system for times in renderers)

    def memory_mib(self) -> tuple[float, float]:
        """Return the resident memory of the stage, and of the living renderers together."""
        stage, *renderers = (process.memory_info().rss / 2**20 for process in self._processes())
        return stage, sum(renderers)

    def kill(self) -> None:
        """Kill the stage as a loss of power would. Its renderers end by themselves."""
        self._process.kill()
        self._process.wait()

    def pause(self) -> None:
        """Suspend stage and renderers, for `LONGEST_PAUSE` at most. They take no processor time until `resume`."""
        self._paused = [process.pid for process in self._processes()]
        pause(self._paused)

    def resume(self) -> None:
        """Resume the suspended processes."""
        resume(self._paused)
        self._paused = []

    def _processes(self) -> list[psutil.Process]:
        """Return the stage, then the renderers."""
        return [psutil.Process(self._process.pid), *self._renderers()]

    def _renderers(self) -> list[psutil.Process]:
        try:
            return psutil.Process(self._process.pid).children(recursive=True)
        except psutil.NoSuchProcess:
            return []


def free_port(kind: socket.SocketKind = socket.SOCK_STREAM) -> int:
    """Return a port of loopback that is free now."""
    with socket.socket(socket.AF_INET, kind) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
