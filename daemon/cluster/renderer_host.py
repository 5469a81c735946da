"""`RendererHost`: starts one renderer on the machine that Ray gave it, and tells how it ends. It is an actor of Ray."""

import os
import subprocess
import sys
import threading
from collections import deque
from pathlib import Path
from typing import IO

import psutil
import zmq

from daemon.cluster.file_tree import FileEntry, FileTree
from daemon.cluster.node_files import NodeFiles
from daemon.cluster.program_version import ROOT, program_version
from daemon.link.client import KEY_VARIABLE

LAST_LINES = 20
"""Lines of a renderer's standard error that are kept."""

OF_RAY = ("OMP_NUM_THREADS", "RAY_JOB_ID", "RAY_RAYLET_PID", "RAY_CLIENT_MODE")
"""Variables that Ray sets for its workers. The first would leave a renderer one thread."""


class RendererHost:
    """One renderer of this machine. `wait` may be called beside the other methods."""

    def __init__(self) -> None:
        self._files = NodeFiles()
        self._public, self._secret = zmq.curve_keypair()
        self._process: subprocess.Popen[bytes] | None = None
        self._lines: deque[str] = deque(maxlen=LAST_LINES)
        self._ended = threading.Event()

    def describe(self) -> dict[str, str | int]:
        """Return the version of the program, the public key of the renderer, and the cores of the machine."""
        cores = psutil.cpu_count(logical=False) or psutil.cpu_count() or 1
        return {"version": program_version(), "key": self._public.decode(), "cores": cores}

    def missing(self, digests: list[str]) -> list[str]:
        """Return the contents that this machine lacks."""
        return self._files.missing(digests)

    def write(self, digest: str, block: bytes) -> None:
        """Take a block of contents that come."""
        self._files.write(digest, block)

    def finish(self, digest: str) -> None:
        """Keep contents that are complete. Raises `ModelError` if they are damaged."""
        self._files.finish(digest)

    def tree(self, name: str, entries: list[tuple[str, str, int]], is_folder: bool) -> str:
        """Return the path of a file or a folder whose contents are here."""
        tree = FileTree(name, tuple(FileEntry(*entry) for entry in entries), is_folder)
        return str(self._files.tree(tree))

    def start(self, arguments: list[str], environment: dict[str, str]) -> int:
        """Start the renderer with these arguments and variables, and return its process id. Raises `OSError`."""
        own = {name: value for name, value in os.environ.items() if name not in OF_RAY}
        path = os.pathsep.join(filter(None, (str(ROOT), own.get("PYTHONPATH", ""))))
        keys = {KEY_VARIABLE: f"{self._public.decode()} {self._secret.decode()}", "PYTHONPATH": path}
        self._process = subprocess.Popen(
            [sys.executable, "-m", "daemon.renderer", *arguments],
            stdin=subprocess.PIPE,  # it ends with this process
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            env=own | environment | keys,
            cwd=Path.home(),
        )
        threading.Thread(target=self._listen, args=(self._process.stderr,), daemon=True).start()
        return self._process.pid

    def wait(self) -> tuple[int, list[str]]:
        """Wait for the end of the renderer. Return its exit status and its last lines."""
        if self._process is None:
            return 1, ["it was never started"]
        status = self._process.wait()
        self._ended.wait(1.0)
        return status, list(self._lines)

    def kill(self) -> None:
        """Kill the renderer."""
        if self._process is not None:
            self._process.kill()

    def _listen(self, stream: IO[bytes]) -> None:
        with stream:
            while line := stream.readline(4096):
                self._lines.append(line.decode(errors="replace").rstrip())
        self._ended.set()
