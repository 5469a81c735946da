"""Signals that ask for the end: many at once end a process, and none of them stops it for ever."""

import os
import signal
import subprocess
import sys
import time
from contextlib import suppress

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
