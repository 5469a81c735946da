"""`ClusterStarter`: has renderers started on a Ray cluster, by a process of its own that speaks with Ray."""

import contextlib
import json
import logging
import os
import subprocess
import sys
import threading
from collections import deque
from typing import Any

from daemon.cluster.address import ClusterAddress
from daemon.cluster.cluster_process import GONE, ClusterProcess
from daemon.link.client import SERVER_KEY_VARIABLE, TOKEN_VARIABLE
from daemon.link.server import LinkServer
from presets.build import Build

log = logging.getLogger("stage.cluster")


class ClusterStarter:
    """Starts renderers as `ProcessStarter` does. The supervisor's thread alone calls the methods."""

    is_local = False

    def __init__(self, address: ClusterAddress, renderers: int, link: LinkServer) -> None:
        """Create it with nothing started.

        Args:
            address: The cluster.
            renderers: Renderers that draw at once.
            link: Where they report. Its keys are made for each.
        """
        self._address = address
        self._renderers = renderers
        self._link = link
        self._process: subprocess.Popen[str] | None = None
        self._running: dict[str, ClusterProcess] = {}
        self._lock = threading.Lock()
        self._count = 0
        self._said: deque[str] = deque(maxlen=20)

    def start(self, build: Build, endpoint: str, niceness: int, token: str, gpu: str = "") -> ClusterProcess:
        """Ask for the renderer of a build, and return at once. Ray chooses the GPU. Raises `OSError`."""
        process = self._cluster()
        self._count += 1
        renderer = ClusterProcess(str(self._count), self._kill)
        with self._lock:
            self._running[renderer.name] = renderer
        keys = {TOKEN_VARIABLE: token, SERVER_KEY_VARIABLE: self._link.public_key}
        request = {
            "do": "start",
            "id": renderer.name,
            "build": build.encode(),
            "arguments": ["--endpoint", endpoint, "--niceness", str(niceness)],
            "environment": keys,
            "renderers": self._renderers,
        }
        self._ask(process, request)
        return renderer

    def place_of(self, process: Any) -> str:
        """Return the node of a renderer; empty until it has one."""
        return process.node if isinstance(process, ClusterProcess) else ""

    def distrust(self, reason: str) -> None:
        """Do nothing: each renderer has a process of its own already."""

    def close(self) -> None:
        """End the process that speaks with Ray, and with it every renderer."""
        if self._process is not None:
            with contextlib.suppress(OSError):
                if self._process.stdin is not None:
                    self._process.stdin.close()
            try:
                self._process.wait(5.0)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()

    def _cluster(self) -> "subprocess.Popen[str]":
        if self._process is None or self._process.poll() is not None:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "daemon.cluster", "--address", self._address.text],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
                env=os.environ | self._address.environment(),
                process_group=0 if sys.platform != "win32" else None,
            )
            log.info("joining the Ray cluster %s", self._address.text)
            for name, work in (("cluster", self._listen), ("cluster-log", self._log)):
                threading.Thread(target=work, args=(self._process,), name=name, daemon=True).start()
        return self._process

    def _ask(self, process: "subprocess.Popen[str]", request: dict[str, Any]) -> None:
        if process.stdin is None:
            return
        with self._lock:
            print(json.dumps(request), file=process.stdin, flush=True)

    def _kill(self, name: str) -> None:
        process = self._process
        if process is not None and process.poll() is None:
            with contextlib.suppress(OSError):
                self._ask(process, {"do": "kill", "id": name})

    def _listen(self, process: "subprocess.Popen[str]") -> None:
        """Take the answers until the process ends. All its renderers are lost then."""
        for line in process.stdout or ():
            answer = json.loads(line)
            with self._lock:
                renderer = self._running.get(answer.get("id", ""))
            if renderer is None:
                continue
            if "key" in answer:
                self._link.admit(answer["key"])
                with contextlib.suppress(OSError):
                    self._ask(process, {"do": "go", "id": renderer.name})
            elif "pid" in answer:
                renderer.started(answer["node"], answer["pid"])
                log.info("a renderer has started on %s", renderer.node)
            elif "status" in answer:
                self._end(renderer, answer["status"], answer["lines"])
        status = process.wait()
        last = next((line for line in reversed(self._said) if line.strip()), "")
        with self._lock:
            left = list(self._running.values())
        for renderer in left:
            self._end(renderer, status if status > 0 else GONE, [last or "the process that speaks with Ray ended"])

    def _end(self, renderer: ClusterProcess, status: int, lines: list[str]) -> None:
        with self._lock:
            self._running.pop(renderer.name, None)
        renderer.ended(status, lines)

    def _log(self, process: "subprocess.Popen[str]") -> None:
        for line in process.stderr or ():
            self._said.append(line.rstrip())
            log.debug("ray: %s", line.rstrip())
