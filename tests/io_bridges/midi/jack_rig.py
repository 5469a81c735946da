"""JACK without a sound card, and MIDI devices on it that can be pulled out."""

import ctypes.util
import json
import shutil
import subprocess
import sys
import tempfile
import threading
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import pytest

from daemon.shared.file_lock import lock_file
from presets.errors import SettingsError

JACKD = shutil.which("jackd")
LIBJACK = ctypes.util.find_library("jack")

_locks: list[IO[bytes]] = []
"""Locks of the names of servers, until this process ends."""

needs_jack = pytest.mark.skipif(JACKD is None or LIBJACK is None, reason="needs JACK: apt install jackd2")


@contextmanager
def jack_server() -> Iterator[None]:
    """Run a server that this process' children connect to.

    rtmidi2's wheel for Linux carries a JACK library that is too old for today's servers, so the system's is preloaded.
    """
    assert LIBJACK is not None
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("JACK_NO_AUDIO_RESERVATION", "1")
        name, server = start_server()
        patch.setenv("JACK_DEFAULT_SERVER", name)
        patch.setenv("LD_PRELOAD", LIBJACK)
        try:
            yield
        finally:
            server.terminate()
            try:
                server.wait(5)
            except subprocess.TimeoutExpired:  # it waits for devices that were pulled out
                server.kill()
                server.wait(10)


def start_server(period: int = 128, again: str = "") -> "tuple[str, subprocess.Popen[bytes]]":
    """Return the name and the process of a server. Another test run keeps one of the names by a lock.

    JACK has room for eight names, and a killed server leaves its own to the next server of that name alone.

    Args:
        period: Samples at a time. A busy machine that misses some leaves a gap in the sound.
        again: Name of a server of this process that has ended, to start it again.
    """
    assert JACKD is not None
    for name in [again] if again else _free_names():
        command = [JACKD, "--name", name, "--no-realtime", "-d", "dummy", "-r", "48000", "-p", str(period)]
        server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            server.wait(0.5)
        except subprocess.TimeoutExpired:
            return name, server
    pytest.fail("no JACK server can be started")


def _free_names() -> Iterator[str]:
    """Yield names that no other test run has, locked for this one."""
    for number in range(4):
        name = f"streamflow-test-{number}"
        try:
            held = lock_file(Path(tempfile.gettempdir()) / name)
        except SettingsError:
            continue
        assert held is not None
        _locks.append(held)
        yield name


class PeerDevice:
    """A device with an input and an output, from `plug_in` until `pull_out`."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.got: deque[list[int]] = deque(maxlen=10_000)
        self._process: subprocess.Popen[bytes] | None = None

    def plug_in(self) -> None:
        """Start the device, and wait until it has its ports."""
        command = [sys.executable, str(Path(__file__).with_name("midi_peer.py")), self.name]
        for _ in range(20):  # the server may not be up yet
            self._process = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
            )
            assert self._process.stdout is not None
            if self._process.stdout.readline():
                threading.Thread(target=self._listen, args=(self._process,), daemon=True).start()
                return
        pytest.fail("the device got no ports")

    def send(self, *messages: Sequence[int]) -> None:
        """Send messages."""
        assert self._process is not None
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(messages).encode() + b"\n")
        self._process.stdin.flush()

    def pull_out(self) -> None:
        """Kill the device."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(10)

    def _listen(self, process: "subprocess.Popen[bytes]") -> None:
        assert process.stdout is not None
        for line in process.stdout:
            self.got.append(json.loads(line))
