"""No command and no accelerator opens a connection beyond this machine, or leaves files of a dependency at home.

Every system call that names a peer is traced, in the command and in all of its children.
"""

import ipaddress
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import psutil
import pytest

from daemon.shared.offline_environment import SWITCHES
from io_bridges.clip import ClipWriter
from pipeline.accelerators.openvino import precisions
from pipeline.accelerators.processor import usable_cores
from pipeline.accelerators.tuning_record import FOLDER
from tests.daemon.show import Show, until
from tests.pipeline.conftest import write_least_model

CALLS = "trace=connect,sendto,sendmsg,sendmmsg"
PEER = re.compile(r'^(?P<process>\S+) .*?(?:inet_addr\(|inet_pton\(AF_INET6, )"(?P<address>[^"]+)"', re.MULTILINE)
OWN = "streamflow-live"

# A name that nothing on this machine answers for, so that looking it up has to ask the network.
LOOK_UP = """
import socket
try:
    socket.getaddrinfo("connections.streamflow-live.invalid", 80)
except OSError:
    pass
"""

# Commands that only list, one after another in one process, which imports the program once.
LISTINGS = """
import sys
from daemon.__main__ import main
for line in sys.argv[1:]:
    sys.argv = ["streamflow-live", *line.split()]
    try:
        main()
    except SystemExit as end:
        assert not end.code, line
"""

# The compiler alone: a model takes it minutes, and the same way.
COMPILE = """
from daemon.shared.offline_environment import stay_offline
stay_offline()
import torch
torch.compile(torch.nn.Linear(4, 4))(torch.zeros(2, 4))
"""


class Trace:
    """A traced home: what runs in it, whom that speaks to, and what it leaves behind."""

    def __init__(self, folder: Path) -> None:
        self.home = folder / "home"
        self.home.mkdir()
        self._record = folder / "calls.txt"
        # Under continuous integration libraries are silent by themselves; a user has no such variable.
        hidden = {*SWITCHES, "CI", "GITHUB_ACTIONS", "TF_BUILD"}
        variables = {name: value for name, value in os.environ.items() if name not in hidden}
        self.environment = variables | {"HOME": str(self.home), "XDG_CACHE_HOME": str(self.home / ".cache")}

    def command(self, *command: str) -> list[str]:
        """Return `command` under a tracer that is not its parent, so that signals reach the command."""
        return ["strace", "-D", "-f", "-Y", "--seccomp-bpf", "-e", CALLS, "-o", str(self._record), *command]

    def run(self, *command: str) -> str:
        """Run a command to its end and return what it prints."""
        done = subprocess.run(
            self.command(*command), env=self.environment, capture_output=True, text=True, timeout=300, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def connections(self) -> list[str]:
        """Return process and address of every call that named a peer beyond this machine."""
        until(lambda: not self._is_traced())
        found = ((match["process"], match["address"]) for match in PEER.finditer(self._record.read_text()))
        return [f"{process} {address}" for process, address in found if not is_here(address)]

    def foreign_files(self) -> list[str]:
        """Return the files below home that are not the program's own."""
        files = (path.relative_to(self.home) for path in self.home.rglob("*") if path.is_file())
        return sorted(str(path) for path in files if OWN not in path.parts)

    def _is_traced(self) -> bool:
        tracers = (process.info["cmdline"] or [] for process in psutil.process_iter(["cmdline"]))
        return any(line[:1] == ["strace"] and str(self._record) in line for line in tracers)


def is_here(address: str) -> bool:
    peer = ipaddress.ip_address(address)
    return peer.is_loopback or peer.is_unspecified  # the unspecified address means this machine


def assert_offline(trace: Trace) -> None:
    assert trace.connections() == []
    assert trace.foreign_files() == []


@pytest.fixture
def trace(tmp_path: Path) -> Iterator[Trace]:
    """A trace of this test. Skips where processes can't be traced."""
    if shutil.which("strace") is None:
        pytest.skip("strace is not installed")
    probe = ["strace", "-f", "--seccomp-bpf", "-e", CALLS, "-o", os.devnull, sys.executable, "-c", ""]
    tried = subprocess.run(probe, capture_output=True, text=True, timeout=60, check=False)
    if tried.returncode:
        pytest.skip(f"processes can't be traced here: {tried.stderr.strip()[-200:]}")
    yield Trace(tmp_path)
    for process in psutil.process_iter(["cmdline"]):
        if str(tmp_path / "calls.txt") in (process.info["cmdline"] or []):
            process.kill()


@pytest.fixture
def look(tmp_path: Path) -> Path:
    """A preset file of a model that loads and exports in seconds."""
    write_least_model(tmp_path / "model")
    path = tmp_path / "tiny.yaml"
    path.write_text(f"model: {tmp_path / 'model'}\nwidth: 64\nheight: 64\nfallback: false\n")
    return path


def test_trace_reports_name_lookup(trace: Trace) -> None:
    trace.run(sys.executable, "-c", LOOK_UP)
    time.sleep(0.1)
    # Without a name server beyond this machine there is nobody to ask, and nothing to report.
    if not re.search(r"^nameserver (?!127\.|::1)", Path("/etc/resolv.conf").read_text(), re.MULTILINE):
        pytest.skip("this machine names no name server beyond itself")
    assert trace.connections()


@pytest.mark.parametrize("library", ["openvino", "onnxruntime"])
def test_library_alone_phones_home(trace: Trace, library: str) -> None:
    """The switches are still needed. Where this fails, the library has changed: see `offline_environment`."""
    trace.run(sys.executable, "-c", f"import {library}")
    assert trace.foreign_files()


def test_doctor_stays_offline(trace: Trace) -> None:
    trace.run(sys.executable, "-m", "daemon", "doctor")
    assert_offline(trace)


def test_listings_stay_offline(trace: Trace, tmp_path: Path) -> None:
    lines = (
        "--help",
        "presets list",
        "presets schema",
        "engines list",
        "bench --list",
        "keys list",
        "models list",
        "words",
    )
    trace.run(sys.executable, "-c", LISTINGS, *lines, "sources", f"processors list --processors {tmp_path}")
    assert_offline(trace)


@pytest.mark.timeout(300)
def test_render_stays_offline(trace: Trace, look: Path, tmp_path: Path) -> None:
    """ONNX Runtime has the most to do: torch's exporter, the libraries of ONNX, and its own."""
    with ClipWriter(tmp_path / "in.mp4", 64, 64, 10) as writer:
        for level in (0, 80, 160):
            writer.write(np.full((64, 64, 3), level, dtype=np.uint8))
    look.write_text(look.read_text() + "accelerator: onnxruntime\n")
    arguments = [str(tmp_path / "in.mp4"), str(tmp_path / "out.mp4"), "--preset", str(look)]
    trace.run(sys.executable, "-m", "daemon", "render", *arguments)
    assert_offline(trace)


@pytest.mark.timeout(300)
def test_compiler_stays_offline(trace: Trace) -> None:
    trace.run(sys.executable, "-c", COMPILE)
    assert_offline(trace)


@pytest.mark.timeout(300)
def test_build_and_show_stay_offline(trace: Trace, look: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The show reads what the command converted and measured: a second conversion takes as long as the first."""
    for name in SWITCHES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(trace.home))
    monkeypatch.setenv("XDG_CACHE_HOME", trace.environment["XDG_CACHE_HOME"])
    look.write_text(look.read_text() + "accelerator: openvino\n")
    trace.run(sys.executable, "-m", "daemon", "build", str(look))
    assert_offline(trace)
    measured = list(trace.home.rglob(f"{FOLDER}/*.json"))
    assert len(measured) == (usable_cores().logical > 1 or len(precisions()) > 1), "one entry, if there is a choice"
    (kept,) = trace.home.rglob("denoiser.xml")
    made = kept.stat().st_mtime_ns
    folder = tmp_path / "show"
    folder.mkdir()
    shutil.copy(look, folder / "look.yaml")
    show = Show(folder, "--source", "card:", "--threads", "1")
    show.command = trace.command(*show.command)
    with show:
        until(lambda: show.status()["renderer"].get("accelerator") == "openvino", 300)
        show.picture(lambda meta, pixels: meta["index"] > 2)
    assert_offline(trace)
    (kept,) = trace.home.rglob("denoiser.xml")
    assert kept.stat().st_mtime_ns == made, "it is read, not converted again"
