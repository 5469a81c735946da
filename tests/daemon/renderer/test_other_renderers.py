"""Memory of the other renderers of a show."""

import os
import subprocess
import sys

import psutil
from rig import Rig, until

from daemon.renderer.other_renderers import memory_of_others


def test_renderer_counts_the_others_alone() -> None:
    with Rig() as rig, subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as candidate:
        until(lambda: rig.lineup.on_air)
        on_air = rig.lineup.on_air
        assert on_air is not None
        held = psutil.Process(on_air.pid).memory_full_info().uss
        assert held > 10_000_000
        assert abs(memory_of_others(candidate.pid) - held) < 0.5 * held, "what plays would give it back"
        assert memory_of_others(on_air.pid) == 0, "the candidate here is no renderer"
        candidate.communicate(b"\n")
        assert memory_of_others(candidate.pid) == 0, "a process that has ended"
    assert memory_of_others(os.getpid()) == 0
