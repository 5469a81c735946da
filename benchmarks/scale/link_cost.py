"""Processor time of the stage's end of the link for a picture, measured with a real renderer process: an echo."""

import os
import subprocess
import sys
import time
from typing import NamedTuple

import numpy as np
import zmq

from benchmarks.report.findings import NotMeasured
from daemon.link.client import KEY_VARIABLE, SERVER_KEY_VARIABLE, TOKEN_VARIABLE
from daemon.link.dealer import Sharing
from daemon.link.renderer_report import RendererReport
from daemon.link.resolved_frame import ResolvedFrame
from daemon.link.server import LinkServer
from daemon.shared.clock import SystemClock
from io_bridges.frames import Frame, RenderedFrame
from presets.build import Build
from presets.frame_parameters import without_morph
from presets.parameters import Parameters

START = 60.0
"""Seconds for the renderer to start."""


class LinkCost(NamedTuple):
    """Cost of one picture, there and back."""

    core_seconds: float
    """Processor time of this process: the link's thread and ZeroMQ's."""
    a_second: float
    """Pictures a second through one connection, one at a time."""


class _EndlessFrames:
    """A responder with a new frame at each look."""

    revision = 1

    def __init__(self, side: int) -> None:
        self._frame = Frame(np.zeros((side, side, 3), np.uint8), 0, 1)
        self._serial = 0
        self._resolved = ResolvedFrame(without_morph(Parameters()), False).encode()

    def resolved_frame(self) -> tuple[int, bytes]:
        self._serial += 1
        return 1, self._resolved

    def newest_frame(self, width: int, height: int) -> tuple[Frame | None, int]:
        return self._frame, self._serial + 1

    def draws_from_text(self) -> bool:
        return False

    def sharing(self) -> Sharing:
        return Sharing()


def measure_link(side: int, encrypted: bool, seconds: float) -> LinkCost:
    """Measure square pictures of `side` pixels, over TCP with CURVE if `encrypted`, else as on one machine.

    Raises:
        NotMeasured: no picture came.
    """
    came = 0

    def count(report: RendererReport, frame: RenderedFrame, place: int, of: int) -> None:
        nonlocal came
        came += 1

    link = LinkServer(_EndlessFrames(side), SystemClock(), count, "127.0.0.1" if encrypted else "")
    link.start()
    environment = {TOKEN_VARIABLE: link.expect().token}
    if encrypted:
        public, secret = zmq.curve_keypair()
        link.admit(public.decode())
        environment |= {SERVER_KEY_VARIABLE: link.public_key, KEY_VARIABLE: f"{public.decode()} {secret.decode()}"}
    build = Build(model="echo", width=side, height=side).encode()
    command = [sys.executable, "-m", "daemon.renderer", "--endpoint", link.endpoint, "--build", build]
    renderer = subprocess.Popen(command, stdin=subprocess.PIPE, env=os.environ | environment)
    try:
        deadline = time.monotonic() + START
        while not came:
            if renderer.poll() is not None or time.monotonic() > deadline:
                raise NotMeasured("the renderer gave no picture")
            time.sleep(0.05)
        first, began, used = came, time.monotonic(), time.process_time()
        time.sleep(seconds)
        pictures, took, cost = came - first, time.monotonic() - began, time.process_time() - used
    finally:
        renderer.kill()
        renderer.wait()
        link.close()
    if not pictures:
        raise NotMeasured("the renderer gave no more pictures")
    return LinkCost(cost / pictures, pictures / took)
