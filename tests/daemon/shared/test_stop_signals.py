"""Signals that ask for the end: many at once end a process, and none of them stops it for ever."""

import os
import signal
import subprocess
import sys
import time
from contextlib import suppress

import pytest

BUSY = """
import sys, time
from daemon.shared.stop_signals import stop_on_signals
stop = stop_on_signals()
print("ready", flush=True)
ends = time.monotonic() + 2
while time.monotonic() < ends:
    stop.set()
    stop.is_set()
    stop.clear()
    stop.wait(0)
print("alive", flush=True)
sys.exit(0)
"""
"""Uses the event without a pause, so that signals come while its lock is held."""

WAITING = """
from daemon.shared.stop_signals import stop_on_signals
stop = stop_on_signals()
print("ready", flush=True)
stop.wait()
"""


INSIDE_A_CALL = """
import hashlib, os, threading
from daemon.shared.stop_signals import stop_on_signals
stop = stop_on_signals()

def end():
    stop.wait()
    print("stopped", flush=True)
    os._exit(0)

threading.Thread(target=end, daemon=True).start()
print("ready", flush=True)
hashlib.pbkdf2_hmac("sha256", b"", b"", 2**31 - 1)
"""
"""Computes for minutes in one call, in which Python calls no handler."""


def started(program: str) -> subprocess.Popen[str]:
    process = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


def test_signals_while_the_event_is_used() -> None:
    process = started(BUSY)
    deadline = time.monotonic() + 1.5
    while time.monotonic() < deadline:
        for number in (signal.SIGTERM, signal.SIGINT):
            os.kill(process.pid, number)
    try:
        out, _ = process.communicate(timeout=30)
    finally:
        process.kill()
    assert out == "alive\n"
    assert process.returncode == 0


def test_several_signals_end_a_wait() -> None:
    process = started(WAITING)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGTERM):
        with suppress(ProcessLookupError):
            os.kill(process.pid, number)
    try:
        assert process.wait(30) == 0
    finally:
        process.kill()


def test_signal_during_a_long_call() -> None:
    process = started(INSIDE_A_CALL)
    os.kill(process.pid, signal.SIGTERM)
    try:
        out, _ = process.communicate(timeout=30)
    finally:
        process.kill()
    assert (out, process.returncode) == ("stopped\n", 0)


def test_other_signals_do_not_stop() -> None:
    process = started(
        WAITING.replace("print(", "import signal\nsignal.signal(signal.SIGUSR1, lambda *_: None)\nprint(")
    )
    os.kill(process.pid, signal.SIGUSR1)
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(0.3)
    os.kill(process.pid, signal.SIGTERM)
    try:
        assert process.wait(30) == 0
    finally:
        process.kill()


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGHUP")
def test_closed_terminal_stops() -> None:
    process = started(WAITING)
    os.kill(process.pid, signal.SIGHUP)
    try:
        assert process.wait(30) == 0
    finally:
        process.kill()


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGHUP")
def test_nohup_outlives_the_terminal() -> None:
    process = started("import signal\nsignal.signal(signal.SIGHUP, signal.SIG_IGN)\n" + WAITING)
    os.kill(process.pid, signal.SIGHUP)
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(0.3)
    os.kill(process.pid, signal.SIGTERM)
    try:
        assert process.wait(30) == 0
    finally:
        process.kill()
