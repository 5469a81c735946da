"""`ShowProcess`, a real ``streamflow-live run`` on free ports, driven and measured from outside, and ended for
certain."""

import contextlib
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

import psutil
import zmq

from benchmarks.child_process import last_words, pause, resume
from benchmarks.report.findings import NotMeasured
from benchmarks.show.received_frames import ReceivedFrame
from benchmarks.show.sink_reader import SinkReader

FIRST_PICTURE = 300.0
"""Seconds a show has for its first picture before the bench gives up: a slow disk, a cold cache, one busy core."""

LONGEST_PAUSE = 8.0
"""Seconds a show may be paused: past ten its stage would, on waking, take the renderer for stuck."""


class ShowProcess:
    """``with Show(folder, look, …) as show``: started at `started_at`, read by `reader`, stopped at the end."""

    def __init__(
        self,
        folder: Path,
        look: Mapping[str, object],
        *,
        source: str = "card:",
        fps: float = 30.0,
        cache: Path | None = None,
    ) -> None:
        """`look` is a preset's keys. `cache` stands in for the user's cache folder; None leaves that one."""
        folder.mkdir(parents=True, exist_ok=True)
        self.osc_port = free_port(socket.SOCK_DGRAM)
        self._control_port, web, out = (free_port() for _ in range(3))
        preset = folder / "look.yaml"
        preset.write_text(json.dumps(dict(look)))  # YAML holds JSON
        self.command = [
            *(sys.executable, "-m", "daemon", "run", str(preset), "--fresh"),
            *("--source", source, "--sink", f"zmq:tcp://127.0.0.1:{out}", "--fps", str(fps)),
            *("--osc", str(self.osc_port), "--control", str(self._control_port), "--web", str(web)),
            *("--state", str(folder / "state.json"), "--presets", str(folder / "presets")),
        ]
        self.log = folder / "show.log"
        self.reader = SinkReader(f"tcp://127.0.0.1:{out}")
        self.started_at = 0
        """Nanoseconds, monotonic."""
        self._cache = {} if cache is None else {"XDG_CACHE_HOME": str(cache)}
        self._paused: list[int] = []

    def __enter__(self) -> "ShowProcess":
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

    def first_picture(self) -> ReceivedFrame:
        """The first picture that a renderer drew. Raises `NotMeasured` with the show's last words."""
        return self.wait_for_drawn(self.started_at)

    def wait_for_drawn(self, since: int) -> ReceivedFrame:
        """The first drawn picture that came at `since` (ns) or later."""
        deadline = time.monotonic() + FIRST_PICTURE
        while True:
            try:
                return self.reader.wait_for(lambda arrival: arrival.drawn, 1.0, "a picture", since)
            except NotMeasured as error:
                if self._process.poll() is not None:
                    raise NotMeasured(f"the show ended before it had a picture{last_words(self.log)}") from error
                if time.monotonic() > deadline:
                    raise NotMeasured(
                        f"the show had no picture within {FIRST_PICTURE:.0f} s{last_words(self.log)}"
                    ) from error

    def status(self) -> dict[str, Any]:
        """What the show says of itself. Raises `NotMeasured` if it does not answer."""
        with zmq.Context() as context, context.socket(zmq.REQ) as asker:
            asker.linger = 0
            asker.connect(f"tcp://127.0.0.1:{self._control_port}")
            asker.send_json({"do": "status"})
            if not asker.poll(10_000):
                raise NotMeasured(f"the show does not answer{last_words(self.log)}")
            status: dict[str, Any] = json.loads(asker.recv())["status"]
            return status

    def processor_seconds(self) -> tuple[float, float]:
        """Processor time taken so far: by the stage, and by the renderers that live."""
        stage, *renderers = (process.cpu_times() for process in (psutil.Process(self._process.pid), *self._renderers()))
        return stage.user + stage.system, sum(times.user + times.system for times in renderers)

    def memory_mib(self) -> tuple[float, float]:
        """Resident memory now: of the stage, and of the renderers that live."""
        stage, *renderers = (
            process.memory_info().rss / 2**20 for process in (psutil.Process(self._process.pid), *self._renderers())
        )
        return stage, sum(renderers)

    def pause(self) -> None:
        """Stop stage and renderer where they stand, for `LONGEST_PAUSE` at most: they take no processor time."""
        self._paused = [self._process.pid, *(renderer.pid for renderer in self._renderers())]
        pause(self._paused)

    def resume(self) -> None:
        """Let them go on."""
        resume(self._paused)
        self._paused = []

    def _renderers(self) -> list[psutil.Process]:
        try:
            return psutil.Process(self._process.pid).children(recursive=True)
        except psutil.NoSuchProcess:
            return []


def free_port(kind: socket.SocketKind = socket.SOCK_STREAM) -> int:
    """A port of loopback that was free a moment ago."""
    with socket.socket(socket.AF_INET, kind) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
