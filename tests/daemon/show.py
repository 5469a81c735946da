"""`Show`: a real show in a child process, controlled from outside as a user would."""

import contextlib
import json
import random
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import zmq
from forked_process import CAN_FORK, ForkedCommand
from numpy.typing import NDArray
from pythonosc.udp_client import SimpleUDPClient
from received_ticks import ReceivedTick

_given: set[int] = set()


def free_port(kind: socket.SocketKind = socket.SOCK_STREAM) -> int:
    """Return a port that is free, and that no test of this process has.

    It is below those that the system gives to connections, so that it stays free between two shows.
    """
    for _ in range(100):
        with socket.socket(socket.AF_INET, kind) as probe, contextlib.suppress(OSError):
            port = random.choice([each for each in range(16_000, 32_000) if each not in _given])
            probe.bind(("127.0.0.1", port))
            _given.add(port)  # a show takes several
            return port
    raise AssertionError("no port is free")


def until(condition: Callable[[], Any], seconds: float = 100.0) -> Any:
    """Ask until the answer is true, and return it: often at first, because each answer takes time from the show."""
    began = time.monotonic()
    while not (result := condition()):
        waited = time.monotonic() - began
        assert waited < seconds, "the condition did not become true in time"
        time.sleep(min(max(0.02, waited / 10), 0.1))
    return result


class Show:
    """Starts a show with ``with Show(folder, "--source", "card:") as show``, and stops it with SIGTERM at the end."""

    def __init__(
        self,
        folder: Path,
        *arguments: str,
        model: str = "echo",
        fps: float | str = 30,
        fresh: bool = False,
        forked: bool = CAN_FORK,
    ) -> None:
        """`forked` starts it from a process that has imported the program already."""
        self.folder = folder
        self.forked = forked
        folder.mkdir(exist_ok=True)
        self.osc_port = free_port(socket.SOCK_DGRAM)
        self.out_port, self.control_port, self.web_port = free_port(), free_port(), free_port()
        look = folder / "look.yaml"
        if not look.exists():
            look.write_text(f"model: {model}\nstrength: 0.5\n")
        self.command = [
            *(sys.executable, "-m", "daemon", "run", str(look)),
            *("--osc", str(self.osc_port), "--control", str(self.control_port), "--web", str(self.web_port)),
            *("--sink", f"zmq:tcp://127.0.0.1:{self.out_port}", "--fps", str(fps)),
            *("--state", str(folder / "state.json"), "--presets", str(folder / "presets")),
            *(["--fresh"] if fresh else []),
            *([] if "--understudy" in arguments else ["--understudy", "off"]),  # it takes time from the tests
            # Tests name files in folders of their own.
            *([] if "--allow-folder" in arguments else ["--allow-folder", "/"]),
            *arguments,
        ]
        self._context = zmq.Context()
        self.log = folder / "log.txt"

    def __enter__(self) -> "Show":
        self.process: subprocess.Popen[bytes] | ForkedCommand
        if self.forked and self.command[:3] == [sys.executable, "-m", "daemon"]:
            self.process = ForkedCommand(self.command[3:], self.log)
        else:
            with self.log.open("ab") as log:
                self.process = subprocess.Popen(self.command, stdout=log, stderr=log)
        self.osc = SimpleUDPClient("127.0.0.1", self.osc_port)
        self._frames = self._context.socket(zmq.SUB)
        self._frames.setsockopt(zmq.RCVHWM, 4)
        self._frames.connect(f"tcp://127.0.0.1:{self.out_port}")
        self._frames.subscribe(b"")
        try:
            until(self._answers)
        except BaseException:
            self.process.kill()
            self.process.wait()
            raise
        return self

    def _answers(self) -> bool:
        assert self.process.poll() is None, self.log.read_text()
        return self.ask({"do": "status"}) is not None

    def __exit__(self, *_: object) -> None:
        self.end()
        self._context.destroy(linger=0)

    def end(self) -> int:
        """Send SIGTERM and return the exit status."""
        self.process.terminate()
        try:
            return self.process.wait(15)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise

    def ask(self, request: dict[str, Any], timeout: int = 2000) -> dict[str, Any] | None:
        """Send a ZeroMQ control request and return the reply; None if there is none in time."""
        with contextlib.closing(self._context.socket(zmq.REQ)) as asker:
            asker.linger = 0
            asker.connect(f"tcp://127.0.0.1:{self.control_port}")
            asker.send_json(request)
            if not asker.poll(timeout):
                return None
            answer: dict[str, Any] = asker.recv_json()
            return answer

    def status(self) -> dict[str, Any]:
        answer = self.ask({"do": "status"}, timeout=10_000)
        assert answer is not None, self.log.read_text()
        status: dict[str, Any] = answer["status"]
        return status

    def set(self, **values: Any) -> dict[str, Any]:
        answer = self.ask({"do": "set", "values": {f"/{key}": value for key, value in values.items()}}, timeout=10_000)
        assert answer is not None
        return answer

    def frames(self, seconds: float = 100.0) -> Iterator[tuple[dict[str, Any], NDArray[np.uint8]]]:
        """Yield the frames that a reader gets, for at most so many seconds."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if self._frames.poll(1000):
                header, pixels = self._frames.recv_multipart()
                meta = json.loads(header)
                yield meta, np.frombuffer(pixels, dtype=meta["dtype"]).reshape(meta["shape"])
        raise AssertionError(f"no such frame within {seconds} s\n{self.log.read_text()[-3000:]}")

    def picture(
        self, wanted: Callable[[dict[str, Any], NDArray[np.uint8]], object], seconds: float = 100.0
    ) -> tuple[dict[str, Any], NDArray[np.uint8]]:
        """Return the first frame for which `wanted` is true, within so many seconds."""
        return next((meta, pixels) for meta, pixels in self.frames(seconds) if wanted(meta, pixels))

    @contextlib.contextmanager
    def every_tick(self) -> Iterator[list[ReceivedTick]]:
        """Record the tick of every frame, with a reader of its own."""
        ticks: list[ReceivedTick] = []
        over = threading.Event()

        def read() -> None:
            with zmq.Context() as context, context.socket(zmq.SUB) as socket:
                socket.linger, socket.rcvtimeo = 0, 200
                socket.connect(f"tcp://127.0.0.1:{self.out_port}")
                socket.subscribe(b"")
                while not over.is_set():
                    try:
                        header, pixels = socket.recv_multipart()
                    except zmq.Again:
                        continue
                    meta = json.loads(header)
                    ticks.append(ReceivedTick(meta["tick"], meta["at"], meta["index"], any(pixels)))

        thread = threading.Thread(target=read)
        thread.start()
        try:
            until(lambda: ticks)
            yield ticks
        finally:
            over.set()
            thread.join()
