"""Faults of a soak: what happens to a show of hours, one after another."""

import os
import signal
import socket
import sys
import time
from collections.abc import Callable, Mapping
from typing import NamedTuple

import psutil
import zmq

from benchmarks.child_process import ChildProcess
from benchmarks.report.findings import NotMeasured
from benchmarks.show.show_script import OWN_LOOK
from benchmarks.soak.machine_faults import clock_problem, disk_problem
from benchmarks.soak.rig import SoakRig

FLOOD_RATE = 50_000
"""OSC messages a second that a flood asks for. The sender sends as many as it can."""
SILENCE = 3.0
"""Seconds for which a source or a sink stands still."""
BROKEN = "prompt: neon edges\nstrenght: 0.5\n"


class ShowFault(NamedTuple):
    """Something that goes wrong."""

    name: str
    act: Callable[[SoakRig], str]
    """Makes it happen, and returns a note for the report."""
    problem: Callable[[], str] = lambda: ""
    """Returns why it can't be made here; empty if it can."""
    loses_renderer: bool = False
    """True if new pictures have to come again within the limit of the understudy."""


def _kill_renderer(rig: SoakRig) -> str:
    return _signal_renderer(rig, signal.SIGKILL if sys.platform != "win32" else signal.SIGTERM)


def _stop_renderer(rig: SoakRig) -> str:
    return _signal_renderer(rig, signal.SIGSTOP)


def _signal_renderer(rig: SoakRig, number: signal.Signals) -> str:
    pid = rig.show.status()["renderer"]["pid"]
    os.kill(pid, number)
    return f"renderer {pid}"


def _starve_renderer(rig: SoakRig) -> str:
    """Leave the renderer no further memory, and ask for more steps, which need some."""
    process = psutil.Process(rig.show.status()["renderer"]["pid"])
    limit = process.memory_info().vms
    process.rlimit(psutil.RLIMIT_AS, (limit, limit))
    rig.osc.send("/steps", 12)
    time.sleep(1.0)
    rig.osc.send("/steps", 1)
    return f"at most {limit / 2**20:.0f} MiB of addresses"


def _kill_source(rig: SoakRig) -> str:
    rig.restart_source(after=SILENCE)
    return f"gone for {SILENCE:g} s"


def _freeze_source(rig: SoakRig) -> str:
    return _freeze(rig.source)


def _lie(rig: SoakRig) -> str:
    sent = rig.liar.ask({"do": "lie", "address": rig.source_address, "seconds": SILENCE})["sent"]
    return f"{sent} messages that are no frames, beside the source"


def _freeze_sink(rig: SoakRig) -> str:
    return _freeze(rig.viewer)


def _kill_sink(rig: SoakRig) -> str:
    rig.restart_viewer()
    return "another client takes its place"


def _freeze(process: ChildProcess) -> str:
    process.pause()
    time.sleep(SILENCE)
    process.resume()
    return f"for {SILENCE:g} s"


def _flood(rig: SoakRig) -> str:
    asked = {"address": "/strength", "low": 0.5, "high": 0.7, "rate": FLOOD_RATE, "seconds": SILENCE}
    sent = rig.flooder.ask({"do": "flood", "port": rig.show.osc_port, **asked})["sent"]
    return f"{sent / SILENCE:.0f} messages a second"


def _break_preset(rig: SoakRig) -> str:
    rig.osc.send("/preset", OWN_LOOK)
    time.sleep(1.5)
    rig.save_look(BROKEN)
    time.sleep(2.0)
    rig.save_look(None)
    return "saved over the look, and mended"


def _garbage(rig: SoakRig) -> str:
    """Send random bytes to OSC, to the control port and to the page."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as osc:
        for _ in range(500):
            osc.sendto(rig.random.randbytes(rig.random.randrange(1, 200)), ("127.0.0.1", rig.show.osc_port))
    with zmq.Context() as context, context.socket(zmq.DEALER) as control:
        control.linger = 0
        control.connect(f"tcp://127.0.0.1:{rig.show.control_port}")
        for _ in range(200):
            control.send_multipart([b"", rig.random.randbytes(rig.random.randrange(1, 200))])
        time.sleep(0.2)
    for _ in range(20):
        try:
            with socket.create_connection(("127.0.0.1", rig.show.web_port), 2.0) as page:
                page.sendall(rig.random.randbytes(200))
        except OSError:
            raise NotMeasured("the page takes no connection") from None
    return "500 datagrams, 200 requests, 20 connections of random bytes"


def _fill_disk(rig: SoakRig) -> str:
    """Fill the disk of the state and the recordings while values change and a recording begins."""
    if rig.disk is None:
        raise NotMeasured(disk_problem())
    free = rig.disk.fill(rig.show.pid)
    rig.osc.send("/record/controls", f"take-{time.monotonic_ns()}")
    rig.osc.send("/seed", rig.random.randrange(1000))
    time.sleep(SILENCE)
    rig.osc.send("/record/stop")
    seconds = rig.disk.empty(rig.show.pid)
    return f"{free / 2**20:.1f} MiB filled for {SILENCE:g} s, the state was saved {seconds:.1f} s later"


def _change_clock(rig: SoakRig) -> str:
    """Set the clock forward by a day, back by an hour, and right again."""
    if rig.clock is None:
        raise NotMeasured(clock_problem())
    for change in ("+86400", "-3600", "+0"):
        rig.clock.change(change)
        rig.osc.send("/seed", rig.random.randrange(1000))
        time.sleep(1.5)
    return "a day forward, an hour back, and right again"


_EVERYWHERE = (
    ShowFault("renderer killed", _kill_renderer, loses_renderer=True),
    ShowFault("OSC flood", _flood),
    ShowFault("source killed", _kill_source),
    ShowFault("sink killed", _kill_sink),
    ShowFault("broken preset saved", _break_preset),
    ShowFault("random bytes on every port", _garbage),
    ShowFault("lying source", _lie),
    ShowFault("source frozen", _freeze_source),
    ShowFault("sink frozen", _freeze_sink),
)
_POSIX = (ShowFault("renderer stopped", _stop_renderer, loses_renderer=True),)
_LINUX = (
    ShowFault("renderer out of memory", _starve_renderer, loses_renderer=True),
    ShowFault("disk full", _fill_disk, disk_problem),
    ShowFault("clock changed", _change_clock, clock_problem),
)

FAULTS: Mapping[str, ShowFault] = {
    fault.name: fault
    for fault in (
        *_EVERYWHERE,
        *(_POSIX if sys.platform != "win32" else ()),
        *(_LINUX if sys.platform == "linux" else ()),
    )
}
"""Faults of this system, by name. Some need rights or packages."""
