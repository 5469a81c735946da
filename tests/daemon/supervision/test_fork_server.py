"""Renderers from the fork server, with real processes: their status, their signals, and a server that is gone."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest
from rig import until

from daemon.link.client import TOKEN_VARIABLE
from daemon.supervision.fork_server import ForkedProcess, ForkServer
from daemon.supervision.process_start import CAN_FORK, ProcessStarter
from presets.build import Build

pytestmark = pytest.mark.skipif(not CAN_FORK, reason="only Linux has pidfds")

NOWHERE = "tcp://127.0.0.1:9"
"""Endpoint that no stage listens at: an echo waits there for its first answer for ever."""
MISSING = Build(model="/no/such/model", width=64, height=64)


@pytest.fixture(scope="module")
def server() -> Iterator[ForkServer]:
    server = ForkServer()
    yield server
    server.close()


def echo(server: ForkServer) -> ForkedProcess:
    """Return a forked echo that runs."""
    build = Build(model="echo", width=64, height=64)
    process = server.fork(["--endpoint", NOWHERE, "--build", build.encode()], {TOKEN_VARIABLE: "0" * 32})
    until(lambda: process.pid)
    return process


def gone(pid: int) -> Callable[[], bool]:
    return lambda: not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE


def test_renderer_is_forked_with_libraries(server: ForkServer) -> None:
    process = echo(server)
    assert process.poll() is None
    renderer = psutil.Process(process.pid)
    assert renderer.ppid() == server._process.pid
    assert any("libtorch" in each.path for each in renderer.memory_maps()), "it has torch from the start"
    until(lambda: renderer.nice() > psutil.Process().nice())
    assert os.getpgid(process.pid) == process.pid, "Ctrl-C does not reach it"
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(0.05)
    process.kill()
    assert process.wait(10) == -signal.SIGKILL
    assert process.poll() == -signal.SIGKILL


def test_closed_input_ends_the_renderer(server: ForkServer) -> None:
    process = echo(server)
    process.stdin.close()
    assert process.wait(10) == 0


def test_last_words_and_status_are_heard(server: ForkServer) -> None:
    process = server.fork(["--endpoint", "no-endpoint", "--build", MISSING.encode()], {TOKEN_VARIABLE: ""})
    assert process.wait(30) == 1
    assert b"Traceback" in process.stderr.read()


def test_kill_before_the_fork_is_kept(server: ForkServer) -> None:
    os.kill(server._process.pid, signal.SIGSTOP)
    process = server.fork(["--endpoint", NOWHERE, "--build", MISSING.encode()], {TOKEN_VARIABLE: ""})
    process.kill()
    assert process.pid == 0
    os.kill(server._process.pid, signal.SIGCONT)
    assert process.wait(10) == -signal.SIGKILL


def test_renderers_outlive_their_server() -> None:
    starter = ProcessStarter()
    first = starter._fork_server()
    assert first is not None
    process = echo(first)
    os.kill(first._process.pid, signal.SIGKILL)
    until(lambda: not first.is_alive)
    assert process.poll() is None
    second = starter._fork_server()
    assert second not in (None, first)
    starter.close()
    process.kill()
    assert process.wait(10) == -signal.SIGKILL
    until(gone(process.pid))


def test_server_that_fails_is_not_used_again(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    failing = tmp_path / "python"
    failing.write_text("#!/bin/sh\nsleep 1\nexit 3\n")
    failing.chmod(0o755)
    starter = ProcessStarter()
    with monkeypatch.context() as patch:
        patch.setattr(sys, "executable", str(failing))
        asked = starter.start(MISSING, NOWHERE, 10, "")
        assert asked.wait(10) == -signal.SIGKILL, "as if it were killed: it is started again at once"
    process = starter.start(MISSING, NOWHERE, 10, "")
    assert isinstance(process, subprocess.Popen)
    process.kill()
    process.wait(10)


def test_server_ends_with_its_stage() -> None:
    server = ForkServer()
    server._socket.shutdown(socket.SHUT_RDWR)  # as the kernel does when the stage is gone
    until(lambda: server._process.poll() is not None)
    assert not server.is_alive
