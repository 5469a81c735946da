"""README's listings, run as they stand: a real clip in, words over OSC, pictures out; the renderer killed meanwhile."""

import contextlib
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import psutil
import pytest
import zmq
from clips import big_buck_bunny
from typer.testing import CliRunner

from daemon.__main__ import app

README = (Path(__file__).parent.parent / "README.md").read_text()
PORTS = {5555: socket.SOCK_STREAM, 5556: socket.SOCK_STREAM, 5557: socket.SOCK_STREAM, 9000: socket.SOCK_DGRAM}

ASK_FOR_VALUES = """
import zmq
show = zmq.Context.instance().socket(zmq.REQ)
show.connect("tcp://127.0.0.1:5557")
show.send_json({"do": "get", "addresses": ["/preset", "/prompt/1/text", "/strength"]})
for value in show.recv_json()["values"].values():
    print(round(value, 3) if isinstance(value, float) else value)
"""


def listing(start: str) -> str:
    """The first fenced block that begins with these words."""
    blocks = re.findall(r"```\w+\n(.*?)```", README, re.DOTALL)
    return next(block for block in blocks if block.startswith(start))


def taken() -> list[int]:
    """The default ports that something else has; README's listings can't be run as they stand then."""
    found = []
    for port, kind in {**PORTS, 8090: socket.SOCK_STREAM}.items():
        with socket.socket(socket.AF_INET, kind) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                found.append(port)
    return found


class Reader:
    """``python read.py``: a line a picture, noted with the moment it came."""

    def __init__(self, folder: Path, environment: dict[str, str]) -> None:
        self.lines: list[tuple[float, int, int, str]] = []
        command = [sys.executable, "read.py", "100000"]
        self.process = subprocess.Popen(command, cwd=folder, env=environment, stdout=subprocess.PIPE, text=True)
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            tick, index, rest = line.split(maxsplit=2)
            self.lines.append((time.monotonic(), int(tick), int(index), rest))

    def newer_than(self, index: int, seconds: float) -> tuple[float, int, int, str]:
        """The first picture with an index above that one."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if found := next((line for line in self.lines if line[2] > index), None):
                return found
            time.sleep(0.01)
        raise AssertionError(f"no picture newer than {index} within {seconds} s; the last: {self.lines[-3:]}")


def pid_on_air() -> int:
    """Return the process id of the renderer on air. It has an understudy beside it after some seconds."""
    asker = zmq.Context.instance().socket(zmq.REQ)
    asker.connect("tcp://127.0.0.1:5557")
    with contextlib.closing(asker):
        asker.send_json({"do": "status"})
        return int(asker.recv_json()["status"]["renderer"]["pid"])


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    folders = {f"XDG_{name}_HOME": str(tmp_path / name) for name in ("STATE", "CONFIG")}
    return os.environ | folders | {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}


@pytest.fixture
def processes() -> Iterator[list[subprocess.Popen[str]]]:
    started: list[subprocess.Popen[str]] = []
    yield started
    for process in reversed(started):
        if process.poll() is None and os.getpgid(process.pid) == process.pid:  # a shell, with the program that it runs
            os.killpg(process.pid, signal.SIGTERM)
        process.terminate()
    for process in started:
        process.wait(20)


@pytest.mark.skipif(
    shutil.which("oscsend") is None, reason="oscsend is not here: install the Debian package liblo-tools"
)
@pytest.mark.timeout(240)
def test_the_listings_play_as_they_stand_and_a_killed_renderer_comes_back(
    tmp_path: Path,
    environment: dict[str, str],
    processes: list[subprocess.Popen[str]],
    capsys: pytest.CaptureFixture[str],
) -> None:
    if ports := taken():
        pytest.skip(f"ports {ports} are in use: a show is running on this machine")
    for name in ("push.py", "read.py"):
        (tmp_path / name).write_text(listing(f"# {name}"))
    with (tmp_path / "log.txt").open("w") as log:
        command = listing("streamflow-live run").strip().split()
        show = subprocess.Popen(command, env=environment, stderr=log, text=True)
    processes.append(show)
    push = f"while kill -0 {os.getpid()}; do {sys.executable} push.py {big_buck_bunny()}; done"  # ends with the test
    processes.append(
        subprocess.Popen(["sh", "-c", push], cwd=tmp_path, env=environment, text=True, start_new_session=True)
    )
    reader = Reader(tmp_path, environment)
    processes.append(reader.process)

    _, _, first, shape = reader.newer_than(0, 120)
    assert shape.startswith("(256, 256, 3)")
    subprocess.run(["sh", "-e", "-c", listing("oscsend 127.0.0.1 9000 /preset")], env=environment, check=True)
    reader.newer_than(first + 10, 60)

    renderer = psutil.Process(pid_on_air())
    begin = len(reader.lines)
    killed = time.monotonic()
    os.kill(renderer.pid, signal.SIGKILL)
    renderer.wait(10)
    time.sleep(0.2)  # what it had delivered is through
    back, *_ = reader.newer_than(reader.lines[-1][2] + 1, 120)
    arrivals = [at for at, *_ in reader.lines[begin:]]
    ticks = [tick for _, tick, *_ in reader.lines]
    assert all(after > before for before, after in pairwise(ticks))
    assert ticks[-1] - ticks[0] < len(ticks) * 1.1 + 5, "the output kept its rate"
    assert pid_on_air() not in (0, renderer.pid)
    state = subprocess.run(
        [sys.executable, "-c", ASK_FOR_VALUES], env=environment, capture_output=True, text=True, check=True
    ).stdout.splitlines()
    assert state == ["ice-cells", "golden rings", "0.8"], "the parameters are those that were sent"
    with capsys.disabled():
        gap = max(after - before for before, after in pairwise(arrivals))
        print(f"\nrenderer killed: longest gap {gap * 1000:.0f} ms, new pictures after {back - killed:.1f} s", end=" ")


def test_the_looks_yaml_of_the_readme_is_a_look(tmp_path: Path, environment: dict[str, str]) -> None:
    look = tmp_path / "look.yaml"
    look.write_text(listing("description: Cold cells"))
    command = [sys.executable, "-m", "daemon", "presets", "check", str(look)]
    subprocess.run(command, env=environment, check=True, capture_output=True)


def test_every_command_and_option_the_readme_names_is_there() -> None:
    commands = re.findall(r"`streamflow-live (\w+)", README)
    assert commands
    shown = printed("--help")
    assert [command for command in commands if f" {command} " not in shown] == []
    helps = [printed(command, "--help") for command in ("run", "render", "build", "bench")]
    options = set(re.findall(r"`(--[a-z-]+)", README))
    assert [option for option in options if f"{option} " not in "".join(helps)] == []


def printed(*arguments: str) -> str:
    """Return what the command line prints."""
    done = CliRunner(env={"COLUMNS": "200"}).invoke(app, arguments)
    assert done.exit_code == 0, done.output
    return done.output
