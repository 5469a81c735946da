"""`ForkServer`: the stage's end of `daemon.renderer.fork_server`, and `ForkedProcess`, a renderer that it forks."""

import contextlib
import json
import logging
import os
import select
import signal
import socket
import subprocess
import sys
import threading
from array import array
from collections import deque
from collections.abc import Sequence
from typing import IO, Any

log = logging.getLogger("stage.renderer")

DESCRIPTORS = 1
"""File descriptors that come with an answer."""
LONGEST_ANSWER = 4096
"""Bytes of an answer."""


class ForkedProcess:
    """A process that the fork server starts, with the methods of `subprocess.Popen` that a supervisor needs.

    It is asked for and not there yet while `pid` is 0. A pidfd names it, so that no signal reaches another process that
    was given its number.
    """

    def __init__(self, stdin: IO[bytes], stderr: IO[bytes]) -> None:
        self.stdin = stdin
        self.stderr = stderr
        self.pid = 0
        self._pidfd = -1
        self._status: int | None = None
        self._ended = threading.Condition()
        self._killed = False
        self._orphaned = False

    def started(self, pid: int, pidfd: int) -> None:
        """Take the identity of the process."""
        with self._ended:
            self.pid, self._pidfd = pid, pidfd
            if self._killed:
                self._send_kill()

    def ended(self, status: int) -> None:
        """Take the exit status, which is negative after a signal."""
        with self._ended:
            self._status = status
            if self._pidfd >= 0:
                os.close(self._pidfd)
                self._pidfd = -1
            self._ended.notify_all()

    def orphaned(self) -> None:
        """Go on without the fork server, which alone can tell the exit status."""
        with self._ended:
            self._orphaned = True
            unborn = self._pidfd < 0 and self._status is None
        if unborn:
            self.ended(-signal.SIGKILL)

    def poll(self) -> int | None:
        """Return the exit status, None while the process runs. One without a fork server counts as killed."""
        if self._orphaned and self._status is None and self._is_gone(0.0):
            self.ended(-signal.SIGKILL)
        return self._status

    def wait(self, timeout: float) -> int:
        """Wait for the end and return the exit status. Raises `subprocess.TimeoutExpired` after `timeout` seconds."""
        if self._orphaned and self._status is None:
            self._is_gone(timeout)
        else:
            with self._ended:
                self._ended.wait_for(lambda: self._status is not None or self._orphaned, timeout)
        status = self.poll()
        if status is None:
            raise subprocess.TimeoutExpired("renderer", timeout)
        return status

    def kill(self) -> None:
        """Send SIGKILL, as soon as there is a process."""
        with self._ended:
            self._killed = True
            self._send_kill()

    def _send_kill(self) -> None:
        if self._pidfd >= 0:
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(self._pidfd, signal.SIGKILL)

    def _is_gone(self, seconds: float) -> bool:
        poll = select.poll()
        poll.register(self._pidfd, select.POLLIN)
        return bool(poll.poll(round(seconds * 1000)))


class ForkServer:
    """A running fork server. Any thread may call the methods."""

    def __init__(self) -> None:
        """Start the process, which then imports its libraries. Raises `OSError`."""
        self._socket, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            try:
                self._process = subprocess.Popen(
                    [sys.executable, "-m", "daemon.renderer.fork_server"],
                    stdin=theirs.fileno(),
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.PIPE,
                    # A thread of OpenBLAS would forbid to fork. The networks compute with other libraries.
                    env=os.environ | {"OPENBLAS_NUM_THREADS": "1"},
                    process_group=0,
                )
            except OSError:
                self._socket.close()
                raise
        self._lock = threading.Lock()
        self._asked: deque[ForkedProcess] = deque()
        self._running: dict[int, ForkedProcess] = {}
        self.is_alive = True
        """False once the process is gone."""
        self.has_forked = False
        """True once it has started a renderer, so that its libraries can be imported."""
        threading.Thread(target=self._listen, name="fork-server", daemon=True).start()

    def fork(self, arguments: Sequence[str], environment: dict[str, str]) -> ForkedProcess:
        """Ask for a renderer with these arguments, and return at once. Raises `OSError`."""
        request = json.dumps({"arguments": list(arguments), "environment": environment}).encode()
        with contextlib.ExitStack() as unused:
            stdin, to_stdin = os.pipe()
            unused.callback(os.close, stdin)
            from_stderr, stderr = os.pipe()
            unused.callback(os.close, stderr)
            process = ForkedProcess(os.fdopen(to_stdin, "wb", buffering=0), os.fdopen(from_stderr, "rb"))
            with self._lock:
                if not self.is_alive:
                    raise BrokenPipeError("the fork server is gone")
                rights = (socket.SOL_SOCKET, socket.SCM_RIGHTS, array("i", [stdin, stderr]))
                self._socket.sendmsg([request], [rights], socket.MSG_DONTWAIT)
                self._asked.append(process)
        return process

    def close(self) -> None:
        """End the server. Its renderers live on."""
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._process.kill()
        self._process.wait()

    def _listen(self) -> None:
        assert self._process.stderr is not None
        with self._socket, self._process.stderr:
            while True:
                try:
                    answer, descriptors, _, _ = socket.recv_fds(self._socket, LONGEST_ANSWER, DESCRIPTORS)
                except OSError:
                    break
                if not answer:
                    break
                self._take(json.loads(answer), descriptors)
            with self._lock:
                self.is_alive = False
                left = [*self._asked, *self._running.values()]
            for process in left:
                process.orphaned()
            self._process.wait()
            words = self._process.stderr.read(4096).decode(errors="replace").strip()
            if words:
                log.warning("The fork server ended: %s", words)

    def _take(self, answer: dict[str, Any], descriptors: Sequence[int]) -> None:
        pid = answer["pid"]
        if "status" in answer:
            self._running.pop(pid).ended(answer["status"])
            return
        with self._lock:
            process = self._asked.popleft()
            self._running[pid] = process
        self.has_forked = True
        process.started(pid, descriptors[0])
